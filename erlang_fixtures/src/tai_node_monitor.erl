%% Watches the cluster the way ordinary services do, for visible nodes only.
%% It counts what it saw, so that a test can tell whether a hidden node really
%% went unnoticed.
-module(tai_node_monitor).
-behaviour(gen_server).

-export([start_link/0, seen/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-spec start_link() -> gen_server:start_ret().
start_link() ->
    gen_server:start_link({local, node_monitor}, ?MODULE, [], []).

%% How often nodes came and went since the start.
-spec seen() -> #{up := non_neg_integer(), down := non_neg_integer()}.
seen() ->
    gen_server:call(node_monitor, seen).

-spec init([]) -> {ok, map()}.
init([]) ->
    ok = net_kernel:monitor_nodes(true),
    {ok, #{up => 0, down => 0}}.

-spec handle_call(term(), gen_server:from(), map()) -> {reply, term(), map()}.
handle_call(seen, _From, Seen) ->
    {reply, Seen, Seen};
handle_call(_Request, _From, Seen) ->
    {reply, {error, unknown_call}, Seen}.

-spec handle_cast(term(), map()) -> {noreply, map()}.
handle_cast(_Request, Seen) ->
    {noreply, Seen}.

-spec handle_info(term(), map()) -> {noreply, map()}.
handle_info({nodeup, _Node}, #{up := Up} = Seen) ->
    {noreply, Seen#{up := Up + 1}};
handle_info({nodedown, _Node}, #{down := Down} = Seen) ->
    {noreply, Seen#{down := Down + 1}};
handle_info(_Message, Seen) ->
    {noreply, Seen}.
