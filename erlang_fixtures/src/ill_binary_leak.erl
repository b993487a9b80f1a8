%% A process with a small heap that refers to many large binaries outside it.
%% Its memory shows next to nothing of them.
%%
%% See it: erlang:memory(binary) has risen; the bytes that the process refers
%% to are the sum of process_info(whereis(leaking_binaries), binary).
%% `beamwarden binaries' shows the first, and the second when asked for.
%%
%%     binaries        how many
%%     bytes_per_each  how long each is; at least 65: shorter ones are on the
%%                     heap
-module(ill_binary_leak).
-behaviour(illness).

-export([on/0, on/1, off/0]).
-export([defaults/0, fall_ill/1, recover/1]).

-define(LONGEST_ON_HEAP, 64).

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
    #{binaries => 10000, bytes_per_each => 10000}.

-spec fall_ill(illness:options()) -> pid().
fall_ill(#{bytes_per_each := Bytes}) when Bytes =< ?LONGEST_ON_HEAP ->
    throw({too_short_to_leave_the_heap, Bytes});
fall_ill(#{binaries := Binaries, bytes_per_each := Bytes}) ->
    illness:hold(leaking_binaries,
                 fun() ->
                         [binary:copy(<<0>>, Bytes)
                          || _ <- lists:seq(1, Binaries)]
                 end).

-spec recover(pid()) -> ok.
recover(Holder) ->
    illness:end_processes([Holder]).
