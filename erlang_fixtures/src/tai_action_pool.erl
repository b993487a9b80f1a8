%% The pool of action executors. Like poolboy's, it is a gen_server that owns
%% a supervisor of its own, answers every call it does not know with
%% {error, invalid_message}, and is declared a supervisor by its parent: the
%% questions of `supervisor' get an answer here, and no usable one.
-module(tai_action_pool).
-behaviour(gen_server).

-export([start_link/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-spec start_link() -> gen_server:start_ret().
start_link() ->
    gen_server:start_link({local, action_pool}, ?MODULE, [], []).

-spec init([]) -> {ok, map()}.
init([]) ->
    process_flag(trap_exit, true),
    {ok, Size} = application:get_env(tai_autonomics, action_pool_size),
    {ok, Workers} = tai_sup:start_pool_workers(),
    [{ok, _} = supervisor:start_child(Workers, [])
     || _ <- lists:seq(1, Size)],
    {ok, #{workers => Workers, size => Size}}.

%% Idle workers, queued actions, busy workers. No action is ever run here.
-spec handle_call(term(), gen_server:from(), map()) -> {reply, term(), map()}.
handle_call(status, _From, #{size := Size} = State) ->
    {reply, {ready, Size, 0, 0}, State};
handle_call(_Request, _From, State) ->
    {reply, {error, invalid_message}, State}.

-spec handle_cast(term(), map()) -> {noreply, map()}.
handle_cast(_Request, State) ->
    {noreply, State}.

-spec handle_info(term(), map()) ->
          {noreply, map()} | {stop, term(), map()}.
handle_info({'EXIT', Workers, Reason}, #{workers := Workers} = State) ->
    {stop, Reason, State};
handle_info(_Message, State) ->
    {noreply, State}.

%% The workers are waited for: our parent knows only us, and would otherwise
%% take the pool for stopped while they are still there.
-spec terminate(term(), map()) -> ok.
terminate(_Reason, #{workers := Workers}) ->
    Ref = monitor(process, Workers),
    exit(Workers, shutdown),
    receive {'DOWN', Ref, process, Workers, _} -> ok end.
