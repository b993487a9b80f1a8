%% What says of itself that it is a supervisor, by its initial call, and holds
%% whatever state a test gives it: records of releases that do not exist,
%% children that no supervisor would have.
-module(odd_supervisor).
-behaviour(gen_server).

-export([start/1, start/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-spec start(State :: term()) -> {ok, pid()}.
start(State) ->
    start(State, []).

%% Children are what it answers to which_children.
-spec start(State :: term(), Children :: term()) -> {ok, pid()}.
start(State, Children) ->
    gen_server:start(?MODULE, {State, Children}, []).

-spec init({term(), term()}) -> {ok, term()}.
init({State, Children}) ->
    put('$initial_call', {supervisor, ?MODULE, 1}),
    put(children, Children),
    {ok, State}.

-spec handle_call(which_children, gen_server:from(), State) ->
          {reply, term(), State}.
handle_call(which_children, _From, State) ->
    put(asked, true),
    {reply, get(children), State}.

-spec handle_cast(term(), State) -> {noreply, State}.
handle_cast(_Request, State) ->
    {noreply, State}.

-spec handle_info(term(), State) -> {noreply, State}.
handle_info(_Message, State) ->
    {noreply, State}.
