%% Stands for every plain worker: the GCP clients, tai_http (which opens no
%% port here), the publisher, cluster_mgr and the observability workers. Tests
%% need their names and places in the tree, not their work.
-module(tai_worker).
-behaviour(gen_server).

-export([start_link/0, start_link/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-spec start_link() -> gen_server:start_ret().
start_link() ->
    gen_server:start_link(?MODULE, action_worker, []).

-spec start_link(Name :: atom()) -> gen_server:start_ret().
start_link(Name) ->
    gen_server:start_link({local, Name}, ?MODULE, Name, []).

-spec init(atom()) -> {ok, map()}.
init(Name) ->
    {ok, #{name => Name}}.

%% Always healthy, always zero: the real system's self-reports say so too,
%% whatever happens, which is why nobody should trust them over a question.
-spec handle_call(term(), gen_server:from(), map()) -> {reply, term(), map()}.
handle_call(status, _From, State) ->
    {reply, State#{status => healthy, errors => 0}, State};
handle_call(_Request, _From, State) ->
    {reply, {error, unknown_call}, State}.

-spec handle_cast(term(), map()) -> {noreply, map()}.
handle_cast(_Request, State) ->
    {noreply, State}.

-spec handle_info(term(), map()) -> {noreply, map()}.
handle_info(_Message, State) ->
    {noreply, State}.
