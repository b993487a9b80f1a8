%% A process that gets messages and never receives one.
%%
%% See it: process_info(whereis(flooded_mailbox), message_queue_len). In
%% `beamwarden mailboxes' it is first.
%%
%%     messages             how many lie there from the start
%%     messages_per_second  how many more come each second
%%
%% grow/1 sends that many more.
-module(ill_mailbox_flood).
-behaviour(illness).

-export([on/0, on/1, off/0, grow/1]).
-export([defaults/0, fall_ill/1, recover/1]).

-define(PATIENT, flooded_mailbox).

-spec on() -> ok.
on() ->
    on(#{}).

-spec on(illness:options()) -> ok.
on(Options) ->
    illness:on(?MODULE, Options).

-spec off() -> ok.
off() ->
    illness:off(?MODULE).

-spec grow(Messages :: non_neg_integer()) -> ok.
grow(Messages) ->
    send(whereis(?PATIENT), Messages).

-spec defaults() -> illness:options().
defaults() ->
    #{messages => 10000, messages_per_second => 0}.

-spec fall_ill(illness:options()) -> [pid()].
fall_ill(#{messages := Messages, messages_per_second := PerSecond}) ->
    Patient = spawn_link(fun never_receive/0),
    register(?PATIENT, Patient),
    send(Patient, Messages),
    [Patient | illness:at_a_rate(
                 PerSecond, fun(Due, ok) -> send(Patient, Due) end, ok)].

-spec recover([pid()]) -> ok.
recover(Processes) ->
    illness:end_processes(Processes).

never_receive() ->
    receive after infinity -> ok end.

send(_Patient, 0) ->
    ok;
send(Patient, Number) ->
    Patient ! {nobody_receives_this, Number},
    send(Patient, Number - 1).
