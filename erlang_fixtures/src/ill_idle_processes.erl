%% Very many processes that do nothing, on request beside others that come
%% and go.
%%
%% See it: erlang:system_info(process_count); each has the initial call
%% ill_idle_processes:idle/0. `beamwarden processes' counts them.
%%
%%     processes               how many; above some 250,000 the node has to
%%                             be started with a higher limit (+P)
%%     come_and_go_per_second  how many more are started each second, to live
%%                             for 20 ms
-module(ill_idle_processes).
-behaviour(illness).

-export([on/0, on/1, off/0]).
-export([defaults/0, fall_ill/1, recover/1]).
-export([idle/0, short_lived/0]).

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
    #{processes => 10000, come_and_go_per_second => 0}.

-spec fall_ill(illness:options()) -> [pid()].
fall_ill(#{processes := Processes, come_and_go_per_second := PerSecond}) ->
    Limit = erlang:system_info(process_limit),
    Limit - erlang:system_info(process_count) > Processes
        orelse throw({too_many_for_process_limit, Limit}),
    spawn_many(idle, Processes),
    illness:wait_until(fun all_wait/0),
    illness:at_a_rate(PerSecond,
                      fun(Due, []) -> spawn_many(short_lived, Due) end, []).

%% They are found again by their initial call: neither a list of a million
%% pids nor a link to each would let the owner look healthy.
-spec recover([pid()]) -> ok.
recover(Spawning) ->
    illness:end_processes(Spawning),
    illness:end_processes(ours(idle) ++ ours(short_lived)).

-spec idle() -> no_return().
idle() ->
    receive after infinity -> ok end.

-spec short_lived() -> ok.
short_lived() ->
    receive after 20 -> ok end.

spawn_many(_Function, 0) ->
    [];
spawn_many(Function, Number) ->
    spawn(?MODULE, Function, []),
    spawn_many(Function, Number - 1).

all_wait() ->
    lists:all(fun(Pid) ->
                      process_info(Pid, status) =:= {status, waiting}
              end, ours(idle)).

ours(Function) ->
    [Pid || Pid <- processes(),
            process_info(Pid, initial_call)
                =:= {initial_call, {?MODULE, Function, 0}}].
