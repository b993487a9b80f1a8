%% A process that starts something linked to itself and then only stays, for
%% what a test starts by a remote call: the process of the call ends at once.
-module(keeper).

-export([start/1]).

%% Returns when Start has returned. All of it ends with the process.
-spec start(Start :: fun(() -> term())) -> pid().
start(Start) ->
    {ok, Pid} = proc_lib:start(erlang, apply, [fun keep/1, [Start]]),
    Pid.

keep(Start) ->
    Started = Start(),
    proc_lib:init_ack({ok, self()}),
    receive {?MODULE, end_it} -> Started end.
