%% One tenant's governor in one domain, e.g. {billing_governor, <<"acme">>}.
%% It owns its table, as in the real system: when a governor dies its table
%% goes with it, and being temporary it does not come back.
-module(tai_governor).
-behaviour(gen_statem).

-export([start_link/2, signal/2]).
-export([init/1, callback_mode/0, handle_event/4]).

-spec start_link(tai_domains:name(), tai_autonomics:tenant()) ->
          gen_statem:start_ret().
start_link(Domain, Tenant) ->
    gen_statem:start_link(?MODULE, {Domain, Tenant}, []).

-spec signal(pid(), Signal :: atom()) ->
          {ok, State :: atom()} | {error, {not_now, State :: atom()}}.
signal(Governor, Signal) ->
    gen_statem:call(Governor, {signal, Signal}).

-spec callback_mode() -> handle_event_function.
callback_mode() ->
    handle_event_function.

-spec init({tai_domains:name(), tai_autonomics:tenant()}) ->
          {ok, State :: atom(), Data :: map()}.
init({Domain, Tenant}) ->
    #{initial := State, moves := Moves} = tai_domains:fetch(Domain),
    %% An atom per start is the real system's habit, kept because a tool must
    %% cope with table names that hold a pid and change with every start.
    Table = ets:new(list_to_atom(lists:concat(
                      [Domain, "_state_", pid_to_list(self())])), []),
    ets:insert(Table, [{tenant, Tenant}, {state, State}, {moves, 0}]),
    {ok, State, #{tenant => Tenant, table => Table, moves => Moves}}.

-spec handle_event(gen_statem:event_type(), term(), atom(), map()) ->
          gen_statem:event_handler_result(atom()).
handle_event({call, From}, {signal, Signal}, State,
             #{moves := Moves, table := Table} = Data) ->
    case Moves of
        #{{State, Signal} := Next} ->
            ets:insert(Table, {state, Next}),
            ets:update_counter(Table, moves, 1),
            {next_state, Next, Data, {reply, From, {ok, Next}}};
        #{} ->
            {keep_state_and_data, {reply, From, {error, {not_now, State}}}}
    end;
handle_event(_Type, _Event, _State, _Data) ->
    keep_state_and_data.
