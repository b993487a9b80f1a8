%% A governor, that is a gen_statem, that is stuck: a callback waits for
%% something that does not come, while messages pile up behind it.
%%
%% See it: process_info(whereis(stuck_governor), [current_function,
%% message_queue_len]). sys:get_state/1 gets no answer. `beamwarden governors'
%% shows it when it is under one of `governor_supervisors'.
%%
%%     messages  how many pile up
%%     under     the supervisor that it is started below, e.g. billing_sup, as
%%               {stuck_governor, <<"stuck">>}, or none
-module(ill_stuck_governor).
-behaviour(illness).
-behaviour(gen_statem).

-export([on/0, on/1, off/0]).
-export([defaults/0, fall_ill/1, recover/1]).
-export([start_link/0, init/1, callback_mode/0, handle_event/4]).

-define(PATIENT, stuck_governor).

-spec on() -> ok.
on() ->
    on(#{}).

-spec on(illness:options()) -> ok.
on(Options) ->
    illness:on(?MODULE, Options).

-spec off() -> ok.
off() ->
    illness:off(?MODULE).

-spec defaults() -> illness:options().
defaults() ->
    #{messages => 1000, under => none}.

-spec fall_ill(illness:options()) -> pid().
fall_ill(#{messages := Messages, under := Under}) ->
    Governor = illness:start_child(
                 Under,
                 #{id => {?PATIENT, <<"stuck">>},
                   start => {?MODULE, start_link, []}}),
    gen_statem:cast(Governor, charge),
    illness:wait_until(fun() -> is_stuck(Governor) end),
    send_signals(Governor, Messages),
    Governor.

-spec recover(pid()) -> ok.
recover(Governor) ->
    illness:end_tree(Governor).

-spec start_link() -> gen_statem:start_ret().
start_link() ->
    gen_statem:start_link({local, ?PATIENT}, ?MODULE, [], []).

-spec callback_mode() -> handle_event_function.
callback_mode() ->
    handle_event_function.

-spec init([]) -> {ok, past_due, no_data}.
init([]) ->
    {ok, past_due, no_data}.

-spec handle_event(gen_statem:event_type(), term(), past_due, no_data) ->
          gen_statem:event_handler_result(past_due).
handle_event(cast, charge, past_due, no_data) ->
    wait_for_a_payment_that_never_comes(),
    keep_state_and_data.

wait_for_a_payment_that_never_comes() ->
    receive after infinity -> ok end.

is_stuck(Governor) ->
    process_info(Governor, [status, current_function])
        =:= [{status, waiting},
             {current_function,
              {?MODULE, wait_for_a_payment_that_never_comes, 0}}].

send_signals(_Governor, 0) ->
    ok;
send_signals(Governor, Number) ->
    gen_statem:cast(Governor, {signal, Number}),
    send_signals(Governor, Number - 1).
