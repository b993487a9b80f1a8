%% A process that owns a table and does nothing else.
-module(table_keeper).

-export([start/3]).

%% Returns when the table is there with its objects.
-spec start(Name :: atom(), Options :: [atom()], Objects :: [tuple()]) ->
          pid().
start(Name, Options, Objects) ->
    keeper:start(fun() ->
        Table = ets:new(Name, Options),
        true = ets:insert(Table, Objects)
    end).
