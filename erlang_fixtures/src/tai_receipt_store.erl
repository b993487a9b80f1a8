%% The ledger of receipts: numbered, deduplicated, chained by digest. Its four
%% working tables are unnamed as in the real system, so they are found only by
%% listing all tables; `receipt_ledger', which the incident playbook asks for
%% by name, is named and public so that the playbook's commands work.
-module(tai_receipt_store).
-behaviour(gen_server).

-export([start_link/0, emit/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-spec start_link() -> gen_server:start_ret().
start_link() ->
    gen_server:start_link({local, receipt_store}, ?MODULE, [], []).

-spec emit(tai_autonomics:tenant(), Payload :: term()) ->
          {ok, pos_integer()} | {error, {duplicate, pos_integer()}}.
emit(Tenant, Payload) ->
    gen_server:call(receipt_store, {emit, Tenant, Payload}).

-spec init([]) -> {ok, map()}.
init([]) ->
    {ok, Keep} = application:get_env(tai_autonomics, receipt_retention),
    receipt_ledger = ets:new(receipt_ledger,
                             [ordered_set, named_table, public]),
    {ok, #{store => ets:new(tai_receipts_store, [ordered_set]),
           dedup => ets:new(tai_receipts_dedup, [set]),
           chain => ets:new(tai_receipts_chain, [ordered_set]),
           generated => ets:new(ggen_receipts, [set]),
           keep => Keep,
           last => {0, <<>>}}}.

-spec handle_call(term(), gen_server:from(), map()) -> {reply, term(), map()}.
handle_call({emit, Tenant, Payload}, _From, #{dedup := Dedup} = State) ->
    Key = digest({Tenant, Payload}),
    case ets:lookup(Dedup, Key) of
        [{Key, Id}] ->
            {reply, {error, {duplicate, Id}}, State};
        [] ->
            {Id, _} = Last = append(Key, Tenant, Payload, State),
            expire(Id, State),
            gen_server:cast(receipt_publisher, {publish, Id}),
            {reply, {ok, Id}, State#{last := Last}}
    end;
handle_call(_Request, _From, State) ->
    {reply, {error, unknown_call}, State}.

-spec handle_cast(term(), map()) -> {noreply, map()}.
handle_cast(_Request, State) ->
    {noreply, State}.

-spec handle_info(term(), map()) -> {noreply, map()}.
handle_info(_Message, State) ->
    {noreply, State}.

append(Key, Tenant, Payload, #{last := {LastId, LastLink}} = State) ->
    #{store := Store, dedup := Dedup, chain := Chain, generated := Generated} =
        State,
    Id = LastId + 1,
    Link = digest({LastLink, Key}),
    ets:insert(Store, {Id, Key, Tenant, Payload}),
    ets:insert(Dedup, {Key, Id}),
    ets:insert(Chain, {Id, Link}),
    ets:insert(receipt_ledger, {Id, Tenant, Link}),
    ets:update_counter(Generated, Tenant, 1, {Tenant, 0}),
    {Id, Link}.

%% A healthy ledger does not grow for ever.
expire(Id, #{keep := Keep, store := Store, dedup := Dedup, chain := Chain}) ->
    Old = Id - Keep,
    case ets:take(Store, Old) of
        [{Old, Key, _Tenant, _Payload}] ->
            ets:delete(Dedup, Key),
            ets:delete(Chain, Old),
            ets:delete(receipt_ledger, Old);
        [] ->
            true
    end.

%% md5 because it lives in the emulator: the tree starts without crypto.
digest(Term) ->
    erlang:md5(term_to_binary(Term, [deterministic])).
