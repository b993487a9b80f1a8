%% The service's front door. In the real system tenants and receipts arrive
%% over HTTP; here tests and people at a shell call these functions.
-module(tai_autonomics).

-export([start_tenant/1, stop_tenant/1, governor/2, emit_receipt/2]).
-export_type([tenant/0, governor_id/0]).

-type tenant() :: binary().
-type governor_id() :: {Kind :: atom(), tenant()}.

%% Starts one governor per domain. A tenant that is already there is not an
%% error, and governors of it that were lost come back.
-spec start_tenant(tenant()) -> {ok, [{governor_id(), pid()}]}.
start_tenant(Tenant) when is_binary(Tenant) ->
    {ok, [start_governor(Domain, Tenant) || Domain <- tai_domains:all()]}.

-spec stop_tenant(tenant()) -> ok.
stop_tenant(Tenant) when is_binary(Tenant) ->
    lists:foreach(
      fun(#{supervisor := Sup, governor := Kind}) ->
              %% Temporary: terminating it also forgets its specification.
              _ = supervisor:terminate_child(Sup, {Kind, Tenant})
      end, tai_domains:all()).

%% The only way to a governor is through its supervisor: governors are not
%% registered, since a name per tenant would be an atom per tenant.
-spec governor(tai_domains:name(), tenant()) -> pid() | undefined.
governor(Domain, Tenant) ->
    #{supervisor := Sup, governor := Kind} = tai_domains:fetch(Domain),
    case lists:keyfind({Kind, Tenant}, 1, supervisor:which_children(Sup)) of
        {_Id, Pid, _Type, _Modules} when is_pid(Pid) -> Pid;
        _ -> undefined
    end.

-spec emit_receipt(tenant(), Payload :: term()) ->
          {ok, pos_integer()} | {error, {duplicate, pos_integer()}}.
emit_receipt(Tenant, Payload) when is_binary(Tenant) ->
    tai_receipt_store:emit(Tenant, Payload).

start_governor(#{name := Domain, supervisor := Sup, governor := Kind},
               Tenant) ->
    Id = {Kind, Tenant},
    Spec = #{id => Id,
             start => {tai_governor, start_link, [Domain, Tenant]},
             restart => temporary},
    case supervisor:start_child(Sup, Spec) of
        {ok, Pid} -> {Id, Pid};
        {error, {already_started, Pid}} -> {Id, Pid}
    end.
