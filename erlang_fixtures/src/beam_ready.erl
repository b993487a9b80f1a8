%% Started by erlang_fixtures/beam.py with -s, not with -eval: that would load erl_eval, and some tests ask a node that
%% has not loaded it yet.
-module(beam_ready).

-export([start/0, start/1]).

-spec start() -> ok.
start() ->
    start([]).

%% Starts the applications, says so, and halts when standard input ends.
-spec start([atom()]) -> ok.
start(Applications) ->
    [{ok, _} = application:ensure_all_started(Application) || Application <- Applications],
    spawn(fun halt_when_input_ends/0),
    io:format("beam is ready~n").

halt_when_input_ends() ->
    case io:get_line("") of
        eof -> halt(0);
        {error, _} -> halt(0);
        _ -> halt_when_input_ends()
    end.
