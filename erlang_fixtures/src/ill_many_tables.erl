%% Very many tables of all sorts, which ten processes own: every fifth is
%% named; the others are unnamed, and public, protected, private or a bag.
%% Unnamed ones share names, and one named table has such a name as well:
%% `same_name'. Others have the pid of their owner in the name, as governors'
%% have. Each has 0 to 9 rows.
%%
%% See it: length(ets:all()). `beamwarden ets' counts them.
%%
%%     tables                  how many; a fifth of that in atoms is used up
%%     come_and_go_per_second  how many more are made each second, to be
%%                             deleted 10 ms later
-module(ill_many_tables).
-behaviour(illness).

-export([on/0, on/1, off/0]).
-export([defaults/0, fall_ill/1, recover/1]).

-define(OWNERS, 10).
-define(SORTS, 5).

-spec on() -> ok.
on() ->
    on(#{}).

-spec on(illness:options()) -> ok.
on(Options) ->
    illness:on(?MODULE, Options).

-spec off() -> ok.
off() ->
    illness:off(?MODULE).

-spec defaults() -> illness:options().
defaults() ->
    #{tables => 1000, come_and_go_per_second => 0}.

-spec fall_ill(illness:options()) -> [pid()].
fall_ill(#{tables := Tables, come_and_go_per_second := PerSecond}) ->
    Owners = [illness:hold(none, fun() -> make_share(Share, Tables) end)
              || Share <- lists:seq(0, ?OWNERS - 1)],
    Owners ++ illness:at_a_rate(PerSecond, fun replace/2, []).

%% A table ends with its owner.
-spec recover([pid()]) -> ok.
recover(Owners) ->
    illness:end_processes(Owners).

make_share(Share, Tables) ->
    OwnName = list_to_atom("state_of_" ++ pid_to_list(self())),
    lists:foreach(
      fun(Number) when Number div ?SORTS rem ?OWNERS =:= Share ->
              Table = make(Number rem ?SORTS, Number, OwnName),
              ets:insert(Table, [{Key} || Key <- lists:seq(1, Number rem 10)]);
         (_OfAnother) ->
              ok
      end, lists:seq(0, Tables - 1)).

make(0, _Number, _OwnName) -> ets:new(same_name, [public]);
make(1, _Number, OwnName) -> ets:new(OwnName, [ordered_set]);
make(2, 2, _OwnName) -> ets:new(same_name, [named_table]);
make(2, Number, _OwnName) -> ets:new(table_name(Number), [named_table]);
make(3, _Number, _OwnName) -> ets:new(private_table, [private]);
make(4, _Number, _OwnName) -> ets:new(bag_of_rows, [bag, public]).

table_name(Number) ->
    list_to_atom("named_table_" ++ integer_to_list(Number)).

replace(Due, Tables) ->
    lists:foreach(fun ets:delete/1, Tables),
    [ets:new(short_lived, [public]) || _ <- lists:seq(1, Due)].
