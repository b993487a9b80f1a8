%% What all illnesses share. Each is a module ill_*, switched on and off:
%%
%%     ill_mailbox_flood:on().
%%     ill_mailbox_flood:on(#{messages => 100000}).
%%     ill_mailbox_flood:off().
%%
%% on/1 takes a map; what is not in it is as in the module's defaults/0. It
%% returns when the illness is there, off/0 when the last of it is gone. on/1
%% again does nothing, or begins anew when it is given something else.
%%
%% The owner of an illness is this server, under the illness's name. It is
%% linked to nobody who switches: they may be short-lived.
-module(illness).
-behaviour(gen_server).

-export([on/2, off/1]).
-export([hold/2, at_a_rate/3, start_child/2, wait_until/1,
         end_processes/1, end_tree/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).
-export_type([options/0]).

-type options() :: #{atom() => atom() | non_neg_integer()}.

-callback defaults() -> options().
%% Runs in the owner. A throw is what on/1 then fails with.
-callback fall_ill(options()) -> State :: term().
%% Runs in the owner. Everything is gone when it returns.
-callback recover(State :: term()) -> term().

-define(TICK_MILLISECONDS, 10).
-define(WAIT_SECONDS, 30).
-define(AT_ONCE, 10000).

-spec on(module(), options()) -> ok.
on(Module, Chosen) ->
    Options = complete(Module:defaults(), Chosen),
    case gen_server:start({local, Module}, ?MODULE, {Module, Options},
                          [{timeout, infinity}]) of
        {ok, _Owner} ->
            ok;
        {error, {already_started, Owner}} ->
            Options =:= options(Owner) orelse begin
                off(Module),
                on(Module, Options)
            end,
            ok;
        {error, {shutdown, Refused}} ->
            error(Refused);
        {error, Failed} ->
            error(Failed)
    end.

-spec off(module()) -> ok.
off(Module) ->
    case whereis(Module) of
        undefined ->
            ok;
        Owner ->
            Ref = monitor(process, Owner),
            gen_server:cast(Owner, off),
            receive {'DOWN', Ref, process, Owner, _} -> ok end
    end.

%% A process, linked to the caller, that keeps what Make returns. A name is
%% registered unless it is `none'.
-spec hold(Name :: atom(), Make :: fun(() -> term())) -> pid().
hold(Name, Make) ->
    {ok, Holder} = proc_lib:start_link(erlang, apply,
                                       [fun hold_for_ever/2, [Name, Make]]),
    Holder.

%% A process, linked to the caller, that calls Step with how many are due
%% since the last call, PerSecond on average.
-spec at_a_rate(PerSecond :: non_neg_integer(),
                Step :: fun((pos_integer(), State) -> State), State) ->
          [pid()].
at_a_rate(0, _Step, _State) ->
    [];
at_a_rate(PerSecond, Step, State) ->
    Started = erlang:monotonic_time(millisecond),
    [spawn_link(fun() -> step(PerSecond, Step, State, Started, 0) end)].

%% Below a supervisor that is there already, or, when that is `none', below
%% the caller. Temporary: however it ends, that supervisor forgets it and
%% counts no restart.
-spec start_child(Supervisor :: atom(), supervisor:child_spec()) -> pid().
start_child(none, #{start := {Module, Function, Arguments}}) ->
    {ok, Pid} = apply(Module, Function, Arguments),
    Pid;
start_child(Supervisor, Spec) ->
    case whereis(Supervisor) of
        undefined -> throw({no_such_supervisor, Supervisor});
        _ -> ok
    end,
    {ok, Pid} = supervisor:start_child(Supervisor,
                                       Spec#{restart => temporary}),
    Pid.

-spec wait_until(fun(() -> boolean())) -> ok.
wait_until(Condition) ->
    wait_until(Condition, erlang:monotonic_time(second) + ?WAIT_SECONDS).

%% In parts, so that a million of them do not fill the caller's mailbox.
-spec end_processes([pid()]) -> ok.
end_processes([]) ->
    ok;
end_processes(Pids) ->
    {Now, Later} = lists:split(min(?AT_ONCE, length(Pids)), Pids),
    Monitors = [monitor(process, Pid) || Pid <- Now],
    lists:foreach(fun(Pid) -> exit(Pid, kill) end, Now),
    await_down(Monitors),
    end_processes(Later).

%% Ends a supervisor, which may be stuck, and its children, which go with it
%% because they are linked. They must not trap exits.
-spec end_tree(pid()) -> ok.
end_tree(Pid) ->
    %% Held, so that it starts no child between the next two lines.
    try erlang:suspend_process(Pid) of
        true ->
            [{parent, Parent}, {links, Links}] =
                process_info(Pid, [parent, links]),
            Monitors = [monitor(process, Linked)
                        || Linked <- [Pid | Links], is_pid(Linked),
                           Linked =/= Parent],
            exit(Pid, kill),
            await_down(Monitors),
            forget(Parent)
    catch
        error:badarg -> ok
    end.

-spec init({module(), options()}) ->
          {ok, {module(), options(), State :: term()}} | {stop, term()}.
init({Module, Options}) ->
    process_flag(trap_exit, true),
    %% A remote caller's would send it our log events.
    group_leader(whereis(init), self()),
    try {ok, {Module, Options, Module:fall_ill(Options)}}
    catch throw:Reason -> {stop, {shutdown, Reason}}
    end.

-spec handle_call(options, gen_server:from(), State) ->
          {reply, options(), State}
              when State :: {module(), options(), term()}.
handle_call(options, _From, {_, Options, _} = State) ->
    {reply, Options, State}.

-spec handle_cast(off, State) -> {stop, normal, State}.
handle_cast(off, State) ->
    {stop, normal, State}.

-spec handle_info(term(), State) -> {noreply, State}.
handle_info(_Exit, State) ->
    {noreply, State}.

-spec terminate(term(), {module(), options(), term()}) -> term().
terminate(_Reason, {Module, _Options, State}) ->
    Module:recover(State).

complete(Defaults, Chosen) ->
    maps:foreach(
      fun(Name, Value) ->
              case Defaults of
                  #{Name := Default}
                    when is_integer(Default), is_integer(Value), Value >= 0;
                         is_atom(Default), is_atom(Value) -> ok;
                  _ -> error({bad_option, Name, Value, Defaults})
              end
      end, Chosen),
    maps:merge(Defaults, Chosen).

options(Owner) ->
    try gen_server:call(Owner, options, infinity)
    catch exit:_ -> ended
    end.

hold_for_ever(Name, Make) ->
    Name =:= none orelse register(Name, self()),
    Held = Make(),
    true = erlang:garbage_collect(),
    proc_lib:init_ack({ok, self()}),
    holding(Held).

%% Returning it is what keeps it alive until then.
holding(Held) ->
    receive {?MODULE, let_go} -> Held end.

step(PerSecond, Step, State, Started, Done) ->
    receive after ?TICK_MILLISECONDS -> ok end,
    Passed = erlang:monotonic_time(millisecond) - Started,
    case PerSecond * Passed div 1000 of
        Done -> step(PerSecond, Step, State, Started, Done);
        Due -> step(PerSecond, Step, Step(Due - Done, State), Started, Due)
    end.

wait_until(Condition, TooLate) ->
    case Condition() of
        true ->
            ok;
        false ->
            erlang:monotonic_time(second) < TooLate
                orelse throw({not_so_in_time, Condition}),
            receive after 1 -> ok end,
            wait_until(Condition, TooLate)
    end.

%% Counted, not picked: they come in another order, and looking for each in
%% a long mailbox takes the square of the time.
await_down(Monitors) ->
    lists:foreach(
      fun(_) -> receive {'DOWN', _, process, _, _} -> ok end end, Monitors).

%% A supervisor has forgotten its temporary child when it answers the next
%% question.
forget(Parent) when Parent =:= self() ->
    ok;
forget(Parent) ->
    _ = supervisor:count_children(Parent),
    ok.
