%% A named table from which nothing is ever deleted.
%%
%% See it: ets:info(growing_table, size), twice. `beamwarden ets' has it first;
%% as one of `watch_tables' its rows over time go up and never down.
%%
%%     rows             how many are there from the start
%%     rows_per_second  how many more come each second
%%
%% grow/1 inserts that many more.
-module(ill_ets_growth).
-behaviour(illness).

-export([on/0, on/1, off/0, grow/1]).
-export([defaults/0, fall_ill/1, recover/1]).

-define(TABLE, growing_table).
-define(AT_ONCE, 10000).

-spec on() -> ok.
on() ->
    on(#{}).

-spec on(illness:options()) -> ok.
on(Options) ->
    illness:on(?MODULE, Options).

-spec off() -> ok.
off() ->
    illness:off(?MODULE).

-spec grow(Rows :: non_neg_integer()) -> ok.
grow(0) ->
    ok;
grow(Rows) ->
    Now = min(Rows, ?AT_ONCE),
    ets:insert(?TABLE, [{erlang:unique_integer(), never_deleted}
                        || _ <- lists:seq(1, Now)]),
    grow(Rows - Now).

-spec defaults() -> illness:options().
defaults() ->
    #{rows => 100000, rows_per_second => 0}.

%% Public, so that everybody can call grow/1; owned by the illness's owner.
-spec fall_ill(illness:options()) -> [pid()].
fall_ill(#{rows := Rows, rows_per_second := PerSecond}) ->
    ?TABLE = ets:new(?TABLE, [named_table, public]),
    grow(Rows),
    illness:at_a_rate(PerSecond, fun(Due, ok) -> grow(Due) end, ok).

-spec recover([pid()]) -> true.
recover(Growing) ->
    illness:end_processes(Growing),
    ets:delete(?TABLE).
