%% Supervisors with children of all sorts, for what restarts them. A tree is a
%% supervisor and a table, both of the tree's name; the table counts how often
%% each child has been started. Children are given as their specs, whose start
%% functions are child/3, supervisor/3 and many/3.
%%
%% What a child is, once it runs:
%%
%%     plain                an ordinary process
%%     {ends_in, Ms}        takes that long to end when it is told to
%%     stubborn             traps exits, and ends only when it is killed
%%     unlinked             its supervisor hears nothing of its end
%%     {tables, Tables}     owns them: {Name, Rows, Heir}, where the heir is
%%                          `none', or the name of a process
%%     {long_names, Number} owns so many tables with very long names
%%     {linked, Processes}  has these linked: {Name, quiet | traps | special};
%%                          `traps' are told of its end and live on, `special'
%%                          ones trap exits too, and end with their parent
%%
%% What it is only from its second start on:
%%
%%     {fails, Times}       its start fails that often, and then works
%%     raises               its start function raises
%%     ignores              its start function says ignore
%%     blocked              another process has its place
%%     {starts_in, Ms}      its start takes that long
%%     {slow, Ends, Starts} it takes so many ms to end, and so many to start
-module(restart_children).
-behaviour(supervisor).

-export([start/2, start/3, start_many/2, stop/1]).
-export([child/3, supervisor/3, many/3]).
-export([init/1, live/1, live_special/1]).

-spec start(Tree :: atom(), [supervisor:child_spec()]) -> pid().
start(Tree, Specs) ->
    start(Tree, Specs, []).

%% Options of gen_server: {hibernate_after, Ms}.
-spec start(Tree :: atom(), [supervisor:child_spec()], list()) -> pid().
start(Tree, Specs, Options) ->
    keeper:start(fun() ->
        %% A remote caller's would be asked to print what supervisors log.
        group_leader(whereis(init), self()),
        Tree = ets:new(Tree, [named_table, public]),
        {ok, Pid} = gen_server:start_link(
                      {local, Tree}, supervisor,
                      {{local, Tree}, ?MODULE, {one_for_one, Specs}}, Options),
        Pid
    end).

%% Very many children, each with a spec of its own.
-spec start_many(Tree :: atom(), pos_integer()) -> pid().
start_many(Tree, Number) ->
    start(Tree, [#{id => {child, N}, start => {?MODULE, child, [Tree, N, plain]}}
                 || N <- lists:seq(1, Number)]).

-spec stop(Tree :: atom()) -> ok.
stop(Tree) ->
    case whereis(Tree) of
        undefined ->
            ok;
        Supervisor ->
            %% Whatever state it is in, it starts nothing meanwhile.
            true = erlang:suspend_process(Supervisor),
            {links, Links} = process_info(Supervisor, links),
            illness:end_processes([Supervisor | lists:filter(fun is_pid/1, Links)])
    end.

-spec child(Tree :: atom(), Key :: term(), What :: term()) -> term().
child(Tree, Key, What) ->
    case ets:update_counter(Tree, Key, 1, {Key, 0}) of
        1 -> begin_life(What);
        Time -> again(What, Time, Tree)
    end.

-spec supervisor(Name :: atom(), supervisor:strategy(),
                 [supervisor:child_spec()]) -> {ok, pid()} | {error, term()}.
supervisor(none, Strategy, Specs) ->
    supervisor:start_link(?MODULE, {Strategy, Specs});
supervisor(Name, Strategy, Specs) ->
    supervisor:start_link({local, Name}, ?MODULE, {Strategy, Specs}).

%% With so many children that share one spec.
-spec many(Name :: atom(), non_neg_integer(), supervisor:child_spec()) ->
          {ok, pid()}.
many(Name, Number, Spec) ->
    {ok, Supervisor} = supervisor(Name, simple_one_for_one, [Spec]),
    %% By another process, so that what it takes is no part of our heap.
    {_, Starting} = spawn_monitor(
                      fun() ->
                          [{ok, _} = supervisor:start_child(Supervisor, [])
                           || _ <- lists:seq(1, Number)]
                      end),
    receive {'DOWN', Starting, process, _, normal} -> {ok, Supervisor} end.

-spec init({supervisor:strategy(), [supervisor:child_spec()]}) ->
          {ok, {supervisor:sup_flags(), [supervisor:child_spec()]}}.
init({Strategy, Specs}) ->
    {ok, {#{strategy => Strategy, intensity => 5, period => 60}, Specs}}.

again({fails, Times}, Time, _Tree) when Time =< Times + 1 ->
    {error, {not_ready, Time}};
again(raises, _Time, _Tree) ->
    error(as_it_was_told_to);
again(ignores, _Time, _Tree) ->
    ignore;
again(blocked, _Time, Tree) ->
    {error, {already_started, ets:info(Tree, owner)}};
again({starts_in, Milliseconds}, _Time, _Tree) ->
    receive after Milliseconds -> ok end,
    begin_life(plain);
again({slow, _, Milliseconds} = What, _Time, _Tree) ->
    receive after Milliseconds -> ok end,
    begin_life(What);
again(What, _Time, _Tree) ->
    begin_life(What).

begin_life(unlinked) ->
    proc_lib:start(?MODULE, live, [plain]);
begin_life(What) ->
    proc_lib:start_link(?MODULE, live, [What]).

-spec live(What :: term()) -> no_return().
live(What) ->
    prepare(What),
    proc_lib:init_ack({ok, self()}),
    go_on(What).

prepare({tables, Tables}) ->
    lists:foreach(fun make_table/1, Tables);
prepare({long_names, Number}) ->
    [make_table({list_to_atom(lists:duplicate(200, $a) ++ integer_to_list(N)),
                 1, none}) || N <- lists:seq(1, Number)];
prepare({linked, Processes}) ->
    lists:foreach(fun link_with/1, Processes);
prepare({ends_in, _}) ->
    process_flag(trap_exit, true);
prepare({slow, _, _}) ->
    process_flag(trap_exit, true);
prepare(stubborn) ->
    process_flag(trap_exit, true);
prepare(_) ->
    ok.

go_on({ends_in, Milliseconds}) ->
    receive
        {'EXIT', _, Why} ->
            receive after Milliseconds -> exit(Why) end
    end;
go_on({slow, Milliseconds, _}) ->
    go_on({ends_in, Milliseconds});
go_on(stubborn) ->
    receive {'EXIT', _, _} -> go_on(stubborn) end;
go_on(_) ->
    receive after infinity -> ok end.

make_table({Name, Rows, Heir}) ->
    Inherits = case Heir of
                   none -> {heir, none};
                   _ -> {heir, whereis(Heir), inherited}
               end,
    Table = ets:new(Name, [public, Inherits]),
    ets:insert(Table, [{Row} || Row <- lists:seq(1, Rows)]).

link_with({Name, special}) ->
    {ok, _} = proc_lib:start_link(?MODULE, live_special, [{Name, self()}]);
link_with({Name, How}) ->
    Parent = self(),
    Linked = spawn_link(fun() ->
        process_flag(trap_exit, How =:= traps),
        %% Who was told of the end before has the name still.
        catch register(Name, self()),
        Parent ! {is_there, self()},
        receive after infinity -> ok end
    end),
    receive {is_there, Linked} -> ok end.

-spec live_special({Name :: atom(), Parent :: pid()}) -> no_return().
live_special({Name, Parent}) ->
    process_flag(trap_exit, true),
    register(Name, self()),
    proc_lib:init_ack({ok, self()}),
    receive {'EXIT', Parent, Why} -> exit(Why) end.
