%% Application callback. Demo tenants are started after the tree and not by
%% it, as real tenants are: a restart of the root therefore loses them all.
-module(tai_autonomics_app).
-behaviour(application).

-export([start/2, stop/1]).

-spec start(application:start_type(), term()) ->
          {ok, pid()} | {error, term()}.
start(_Type, _Args) ->
    case tai_sup:start_link(tai_autonomics_sup) of
        {ok, Root} ->
            {ok, Tenants} = application:get_env(tai_autonomics, demo_tenants),
            lists:foreach(fun tai_autonomics:start_tenant/1, Tenants),
            {ok, Root};
        {error, _} = Error ->
            Error
    end.

-spec stop(term()) -> ok.
stop(_State) ->
    ok.
