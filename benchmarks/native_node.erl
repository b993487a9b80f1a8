%% A native hidden Erlang node that does what our client does, for
%% benchmarks/calls.py to compare with. It connects to the node under test, then
%% reads orders from its standard input and answers each with one line:
%%
%%     one_by_one 1000     1,000 calls, each after the answer to the last
%%     at_once 1000 100    1,000 calls, always 100 under way together
%%
%% The answer is how many microseconds that took. It halts when its standard
%% input ends, so it outlives nobody who started it.
-module(native_node).

-export([start/1]).

-define(TIMEOUT, 30000).

-spec start([string()]) -> no_return().
start([Name]) ->
    Node = list_to_atom(Name),
    true = net_kernel:connect_node(Node),
    io:format("connected~n"),
    obey(Node).

-spec obey(node()) -> no_return().
obey(Node) ->
    case io:get_line("") of
        Line when is_list(Line) ->
            [Order | Numbers] = string:lexemes(Line, " \n"),
            Run = order(Order, Node, [list_to_integer(N) || N <- Numbers]),
            {Microseconds, ok} = timer:tc(Run),
            io:format("~b~n", [Microseconds]),
            obey(Node);
        _ ->
            halt(0)
    end.

-spec order(string(), node(), [pos_integer()]) -> fun(() -> ok).
order("one_by_one", Node, [Calls]) ->
    fun() -> one_by_one(Node, Calls) end;
order("at_once", Node, [Calls, Together]) ->
    fun() -> at_once(Node, Calls div Together, Together) end.

-spec one_by_one(node(), non_neg_integer()) -> ok.
one_by_one(_Node, 0) ->
    ok;
one_by_one(Node, Left) ->
    Node = erpc:call(Node, erlang, node, [], ?TIMEOUT),
    one_by_one(Node, Left - 1).

-spec at_once(node(), non_neg_integer(), pos_integer()) -> ok.
at_once(_Node, 0, _Together) ->
    ok;
at_once(Node, Left, Together) ->
    Requests = [erpc:send_request(Node, erlang, node, [])
                || _ <- lists:seq(1, Together)],
    [Node = erpc:receive_response(R, ?TIMEOUT) || R <- Requests],
    at_once(Node, Left - 1, Together).
