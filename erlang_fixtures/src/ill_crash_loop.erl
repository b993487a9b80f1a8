%% A child that crashes again and again, and is restarted each time: often
%% enough to use up part of its supervisor's restarts, not so often that the
%% supervisor gives up.
%%
%% See it: whereis(crashing_child) is another pid each time, and the log fills.
%% `beamwarden supervisors' shows how much is left of crashing_sup's budget.
%%
%%     milliseconds_per_crash  how long from one crash to the next; 0: it
%%                             crashes only when crash/1 is called
%%     intensity               of the supervisor: how many restarts
%%     period_seconds          it allows in how many seconds
%%     under                   the supervisor that it is started below, or
%%                             none
%%
%% crash/1 makes the child crash just so many times, and returns when it has
%% been restarted as often. That may be more than the supervisor allows: then
%% the supervisor is gone, and the answer is supervisor_ended.
-module(ill_crash_loop).
-behaviour(illness).
-behaviour(supervisor).

-export([on/0, on/1, off/0, crash/1]).
-export([defaults/0, fall_ill/1, recover/1]).
-export([init/1, start_child/0, child/0]).

-define(PATIENT, crashing_sup).
-define(CHILD, crashing_child).

-spec on() -> ok.
on() ->
    on(#{}).

-spec on(illness:options()) -> ok.
on(Options) ->
    illness:on(?MODULE, Options).

-spec off() -> ok.
off() ->
    illness:off(?MODULE).

-spec crash(Times :: non_neg_integer()) -> ok | supervisor_ended.
crash(Times) ->
    case {whereis(?PATIENT), whereis(?CHILD)} of
        {undefined, _} ->
            supervisor_ended;
        {_, undefined} ->
            receive after 1 -> ok end,
            crash(Times);
        {_, _} when Times =:= 0 ->
            ok;
        {_, Child} ->
            crash(Times - crashes(Child))
    end.

-spec defaults() -> illness:options().
defaults() ->
    #{milliseconds_per_crash => 5000, intensity => 20, period_seconds => 60,
      under => none}.

-spec fall_ill(illness:options()) -> {pid(), [pid()]}.
fall_ill(#{milliseconds_per_crash := Pause, intensity := Intensity,
           period_seconds := Seconds, under := Under}) ->
    Pause =:= 0 orelse Seconds * 1000 div Pause + 1 =< Intensity
        orelse throw({supervisor_would_give_up, Intensity, Seconds}),
    Start = {supervisor, start_link,
             [{local, ?PATIENT}, ?MODULE, {Intensity, Seconds}]},
    Supervisor = illness:start_child(
                   Under,
                   #{id => ?PATIENT, start => Start, type => supervisor}),
    {Supervisor, crash_on(Pause)}.

-spec recover({pid(), [pid()]}) -> ok.
recover({Supervisor, Crashing}) ->
    illness:end_processes(Crashing),
    illness:end_tree(Supervisor).

-spec init({non_neg_integer(), pos_integer()}) ->
          {ok, {supervisor:sup_flags(), [supervisor:child_spec()]}}.
init({Intensity, Seconds}) ->
    {ok, {#{strategy => one_for_one,
            intensity => Intensity, period => Seconds},
          [#{id => healthy_child, start => {tai_worker, start_link, []}},
           #{id => ?CHILD, start => {?MODULE, start_child, []}}]}}.

-spec start_child() -> {ok, pid()}.
start_child() ->
    proc_lib:start_link(?MODULE, child, []).

-spec child() -> no_return().
child() ->
    register(?CHILD, self()),
    proc_lib:init_ack({ok, self()}),
    receive {crash, Why} -> error({crash_loop, Why}) end.

crash_on(0) ->
    [];
crash_on(Pause) ->
    ok = crash(1),
    [spawn_link(fun() -> crash_after(Pause) end)].

crash_after(Pause) ->
    receive after Pause -> ok end,
    crash(1),
    crash_after(Pause).

%% 1 when it was us, 0 when somebody else was first.
crashes(Child) ->
    Ref = monitor(process, Child),
    Child ! {crash, Ref},
    receive
        {'DOWN', Ref, process, Child, {{crash_loop, Ref}, _Stack}} -> 1;
        {'DOWN', Ref, process, Child, _} -> 0
    end.
