%% A supervisor that hangs: a child of it has crashed, and the new one's
%% start does not return, as when it waits for a server that does not answer.
%% Until then the supervisor receives nothing: it starts no other child, and
%% answers no question.
%%
%% See it: process_info(whereis(hanging_sup), current_function) is in
%% proc_lib. Do not ask supervisor:which_children/1, it waits for ever.
%% `beamwarden supervisors' says that it is not answering.
%%
%%     under  the supervisor that it is started below, or none
-module(ill_hanging_supervisor).
-behaviour(illness).
-behaviour(supervisor).

-export([on/0, on/1, off/0]).
-export([defaults/0, fall_ill/1, recover/1]).
-export([init/1, start_slow_child/1, slow_child/1]).

-define(PATIENT, hanging_sup).

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
    #{under => none}.

-spec fall_ill(illness:options()) -> pid().
fall_ill(#{under := Under}) ->
    Start = {supervisor, start_link, [{local, ?PATIENT}, ?MODULE, []]},
    Supervisor = illness:start_child(
                   Under,
                   #{id => ?PATIENT, start => Start, type => supervisor}),
    {_Id, Child, _Type, _Modules} =
        lists:keyfind(slow_child, 1, supervisor:which_children(Supervisor)),
    exit(Child, kill),
    illness:wait_until(fun() -> hangs(Supervisor) end),
    Supervisor.

-spec recover(pid()) -> ok.
recover(Supervisor) ->
    illness:end_tree(Supervisor).

-spec init([]) -> {ok, {supervisor:sup_flags(), [supervisor:child_spec()]}}.
init([]) ->
    Starts = counters:new(1, []),
    {ok, {#{strategy => one_for_one, intensity => 5, period => 60},
          [#{id => first_child, start => {tai_worker, start_link, []}},
           #{id => slow_child,
             start => {?MODULE, start_slow_child, [Starts]}},
           #{id => last_child, start => {tai_worker, start_link, []}}]}}.

-spec start_slow_child(counters:counters_ref()) -> {ok, pid()}.
start_slow_child(Starts) ->
    proc_lib:start_link(?MODULE, slow_child, [Starts]).

%% The first start works, or the supervisor would not come up.
-spec slow_child(counters:counters_ref()) -> no_return().
slow_child(Starts) ->
    counters:add(Starts, 1, 1),
    counters:get(Starts, 1) > 1 orelse proc_lib:init_ack({ok, self()}),
    wait_for_ever().

wait_for_ever() ->
    receive after infinity -> ok end.

%% sync_start_link on 25, sync_start on later releases.
hangs(Supervisor) ->
    case process_info(Supervisor, [status, current_function]) of
        [{status, waiting}, {current_function, {proc_lib, _, _}}] -> true;
        _ -> false
    end.
