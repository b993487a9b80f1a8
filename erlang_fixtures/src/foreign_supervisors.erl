%% Supervisors that are not OTP's, started beside all applications, as roots
%% of their own: Elixir's four, and two of RabbitMQ's world. Their modules
%% have to be on the code path.
-module(foreign_supervisors).

-export([elixir/0, rabbit/0, connect/1]).
-export([init/1, start_link/3, serve/2]).

%% elixir_supervisor, elixir_dynamic (3 agents), elixir_tasks (2 tasks) and
%% elixir_partitions (4, each a DynamicSupervisor).
-spec elixir() -> pid().
elixir() ->
    {ok, _} = application:ensure_all_started(elixir),
    keeper:start(fun() ->
        Agent = #{id => agent,
                  start => {'Elixir.Agent', start_link, [fun() -> 0 end]}},
        {ok, _} = 'Elixir.Supervisor':start_link(
                    [Agent, Agent#{id => {agent, <<"second">>}}],
                    [{strategy, rest_for_one}, {name, elixir_supervisor},
                     {max_restarts, 7}, {max_seconds, 11}]),
        {ok, Dynamic} = 'Elixir.DynamicSupervisor':start_link(
                          [{strategy, one_for_one}, {name, elixir_dynamic},
                           {max_restarts, 4}, {max_seconds, 60}]),
        [{ok, _} = 'Elixir.DynamicSupervisor':start_child(Dynamic, Agent)
         || _ <- lists:seq(1, 3)],
        {ok, Tasks} = 'Elixir.Task.Supervisor':start_link(
                        [{name, elixir_tasks}]),
        [{ok, _} = 'Elixir.Task.Supervisor':start_child(
                     Tasks, fun() -> receive after infinity -> ok end end)
         || _ <- lists:seq(1, 2)],
        {ok, _} = 'Elixir.PartitionSupervisor':start_link(
                    [{child_spec, 'Elixir.DynamicSupervisor'},
                     {name, elixir_partitions}, {partitions, 4}])
    end).

%% rabbit_static and rabbit_simple (3 children), both supervisor2; and a
%% listener of ranch on a free port.
-spec rabbit() -> pid().
rabbit() ->
    {ok, _} = application:ensure_all_started(ranch),
    keeper:start(fun() ->
        {ok, _} = supervisor2:start_link({local, rabbit_static}, ?MODULE,
                                         static),
        {ok, Simple} = supervisor2:start_link({local, rabbit_simple}, ?MODULE,
                                              simple),
        [{ok, _} = supervisor2:start_child(Simple, []) || _ <- [1, 2, 3]],
        {ok, _} = ranch:start_listener(
                    ?MODULE, ranch_tcp,
                    #{num_acceptors => 1, num_conns_sups => 1,
                      socket_opts => [{ip, {127, 0, 0, 1}}, {port, 0}]},
                    ?MODULE, [])
    end).

%% That many connections to the listener, each served by a process.
-spec connect(pos_integer()) -> pid().
connect(Connections) ->
    keeper:start(fun() ->
        Port = ranch:get_port(?MODULE),
        [{ok, _} = gen_tcp:connect({127, 0, 0, 1}, Port, [])
         || _ <- lists:seq(1, Connections)]
    end).

-spec init(static | simple) -> {ok, {tuple(), [tuple()]}}.
init(static) ->
    {ok, {{one_for_all, 3, 10},
          [{delayed, {tai_worker, start_link, []},
            {permanent, 5}, 1000, worker, [tai_worker]},
           {plain, {tai_worker, start_link, []},
            transient, brutal_kill, worker, [tai_worker]}]}};
init(simple) ->
    {ok, {{simple_one_for_one, 0, 1},
          [{each, {tai_worker, start_link, []},
            temporary, 1000, worker, [tai_worker]}]}}.

%% As ranch asks of a protocol.
-spec start_link(atom(), module(), term()) -> {ok, pid()}.
start_link(Listener, Transport, _Options) ->
    {ok, spawn_link(?MODULE, serve, [Listener, Transport])}.

-spec serve(atom(), module()) -> ok.
serve(Listener, _Transport) ->
    {ok, Socket} = ranch:handshake(Listener),
    _ = gen_tcp:recv(Socket, 0),
    ok.
