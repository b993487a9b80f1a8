%% Every supervisor of the tree, so that the whole shape is read on one page.
%% Registered names, child ids, types and the root's strategy and budget are
%% those of the real system; what it does not tell us is left ordinary.
-module(tai_sup).
-behaviour(supervisor).

-export([start_link/1, start_pool_workers/0]).
-export([init/1]).

-spec start_link(Name :: atom()) -> {ok, pid()} | {error, term()}.
start_link(Name) ->
    supervisor:start_link({local, Name}, ?MODULE, Name).

%% Not registered: only the pool knows it, and no parent lists it.
-spec start_pool_workers() -> {ok, pid()} | {error, term()}.
start_pool_workers() ->
    supervisor:start_link(?MODULE, pool_workers).

-spec init(atom()) ->
          {ok, {supervisor:sup_flags(), [supervisor:child_spec()]}}.
init(tai_autonomics_sup) ->
    {ok, {flags(one_for_all),
          [worker(gcp_metadata),
           worker(gcp_firestore),
           worker(gcp_pubsub),
           %% Declared a supervisor although it is none: the real system does
           %% so too, and a tool that believes it asks the wrong question.
           (worker(action_pool, tai_action_pool))#{type => supervisor,
                                                   shutdown => 5000},
           worker(tai_http),
           supervisor(governance_sup),
           supervisor(receipt_ledger_sup),
           supervisor(cluster_sup),
           supervisor(observability_sup)]}};
init(governance_sup) ->
    {ok, {flags(one_for_one),
          [supervisor(Sup) || #{supervisor := Sup} <- tai_domains:all()]}};
init(receipt_ledger_sup) ->
    {ok, {flags(rest_for_one),
          [worker(receipt_store, tai_receipt_store),
           worker(receipt_publisher)]}};
init(cluster_sup) ->
    {ok, {flags(one_for_one),
          [worker(cluster_mgr),
           worker(node_monitor, tai_node_monitor)]}};
init(observability_sup) ->
    {ok, {flags(one_for_one),
          [worker(metrics_collector),
           worker(observer_ui)]}};
init(pool_workers) ->
    {ok, {flags(simple_one_for_one),
          [#{id => action_worker, start => {tai_worker, start_link, []}}]}};
init(_DomainSup) ->
    {ok, {flags(one_for_one), []}}.

flags(Strategy) ->
    #{strategy => Strategy, intensity => 5, period => 60}.

supervisor(Name) ->
    #{id => Name, start => {?MODULE, start_link, [Name]}, type => supervisor}.

worker(Name) ->
    #{id => Name, start => {tai_worker, start_link, [Name]}}.

worker(Name, Module) ->
    #{id => Name, start => {Module, start_link, []}}.
