%% A process that keeps all it ever saw: a large heap that is in use, so that
%% no garbage collection makes it smaller.
%%
%% See it: process_info(whereis(leaking_heap), memory), also after
%% garbage_collect(whereis(leaking_heap)). In `beamwarden processes' it is
%% first by memory.
%%
%%     bytes  how much of the heap is in use, at least; the heap is larger
-module(ill_heap_leak).
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
    #{bytes => 100000000}.

-spec fall_ill(illness:options()) -> pid().
fall_ill(#{bytes := Bytes}) ->
    Cell = 2 * erlang:system_info(wordsize),
    illness:hold(leaking_heap, fun() -> lists:seq(1, Bytes div Cell + 1) end).

-spec recover(pid()) -> ok.
recover(Holder) ->
    illness:end_processes([Holder]).
