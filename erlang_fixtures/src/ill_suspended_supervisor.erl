%% A supervisor that somebody has suspended with sys:suspend/1 and forgotten.
%% It does nothing for its children and answers only system messages.
%%
%% See it: the third element of sys:get_status(suspended_sup) has suspended
%% in it. Do not ask supervisor:which_children/1: it waits for ever, and where
%% the supervisor was hibernating, one such question makes it spin until it is
%% resumed. `beamwarden supervisors' says that it is suspended, where that can
%% be seen.
%%
%%     children    how many it has
%%     hibernated  whether it was hibernating when it was suspended, as every
%%                 idle supervisor is from OTP 27 on; before, it makes no
%%                 difference
%%     under       the supervisor that it is started below, or none
-module(ill_suspended_supervisor).
-behaviour(illness).
-behaviour(supervisor).

-export([on/0, on/1, off/0]).
-export([defaults/0, fall_ill/1, recover/1]).
-export([init/1]).

-define(PATIENT, suspended_sup).

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
    #{children => 3, hibernated => true, under => none}.

-spec fall_ill(illness:options()) -> pid().
fall_ill(#{children := Children, hibernated := Hibernated,
           under := Under}) ->
    Start = {supervisor, start_link, [{local, ?PATIENT}, ?MODULE, Children]},
    Supervisor = illness:start_child(
                   Under,
                   #{id => ?PATIENT, start => Start, type => supervisor}),
    case Hibernated andalso supervisors_hibernate() of
        true -> illness:wait_until(fun() -> hibernates(Supervisor) end);
        false -> ok
    end,
    ok = sys:suspend(Supervisor, infinity),
    Supervisor.

-spec recover(pid()) -> ok.
recover(Supervisor) ->
    illness:end_tree(Supervisor).

-spec init(non_neg_integer()) ->
          {ok, {supervisor:sup_flags(), [supervisor:child_spec()]}}.
init(Children) ->
    {ok, {#{strategy => one_for_one, intensity => 5, period => 60},
          [#{id => {child, Number}, start => {tai_worker, start_link, []}}
           || Number <- lists:seq(1, Children)]}}.

supervisors_hibernate() ->
    list_to_integer(erlang:system_info(otp_release)) >= 27.

hibernates(Supervisor) ->
    case process_info(Supervisor, [status, current_function]) of
        [{status, waiting}, {current_function, {erlang, hibernate, _}}] ->
            true;
        [{status, waiting},
         {current_function, {gen_server, loop_hibernate, _}}] ->
            true;
        _ ->
            false
    end.
