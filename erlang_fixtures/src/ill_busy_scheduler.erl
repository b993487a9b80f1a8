%% Processes that never stop working. As many as there are schedulers, and
%% everybody else waits.
%%
%% See it: process_info(whereis(busy_process), reductions), twice. In
%% `beamwarden busy' it is first.
%%
%%     processes  how many; one of them is registered as busy_process
-module(ill_busy_scheduler).
-behaviour(illness).

-export([on/0, on/1, off/0]).
-export([defaults/0, fall_ill/1, recover/1]).

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
    #{processes => 1}.

-spec fall_ill(illness:options()) -> [pid()].
fall_ill(#{processes := Processes}) ->
    Busy = [spawn_link(fun() -> burn(0) end)
            || _ <- lists:seq(1, Processes)],
    [register(busy_process, First) || First <- lists:sublist(Busy, 1)],
    Busy.

-spec recover([pid()]) -> ok.
recover(Busy) ->
    illness:end_processes(Busy).

-spec burn(non_neg_integer()) -> no_return().
burn(Round) ->
    burn((Round + 1) band 16#ffff).
