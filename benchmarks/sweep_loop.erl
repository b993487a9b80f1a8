%% The questions of our sweep, answered by compiled code that is loaded on the
%% node, for benchmarks/sweeps.py to compare with; and what it times there.
%%
%% It is what a person would write who may load a module: totals and maxima in
%% the arguments of one loop, and a ranking of K that most processes do not get
%% into, by one comparison. There are two ways to ask for the two items: by one
%% process_info/2 or by two. Which is faster depends on the release, so both
%% are here, and the faster one counts.
-module(sweep_loop).

-export([sweep/3, bare_mailboxes/0]).
-export([start_idle/1, start_ponger/0, ping/2]).

-type place() :: {non_neg_integer(), pid()}.
-type ranking() :: {Lowest :: non_neg_integer(), Free :: non_neg_integer(),
                    [place()]}.

%% As agent/probes/processes.expr answers, and how many microseconds that took.
-spec sweep(together | apart, K :: pos_integer(), [non_neg_integer()]) ->
          {non_neg_integer(), tuple()}.
sweep(Way, K, Thresholds) ->
    timer:tc(
      fun() ->
              Pids = lists:delete(self(), processes()),
              answer(loop(Way, Pids, Thresholds, 0, 0, 0,
                          [0 || _ <- Thresholds], 0, 0, none(K), none(K)))
      end).

%% How long it takes to ask for every queue length, and to do nothing with it.
-spec bare_mailboxes() -> {non_neg_integer(), non_neg_integer()}.
bare_mailboxes() ->
    timer:tc(
      fun() ->
              Pids = processes(),
              Items = lists:duplicate(length(Pids), message_queue_len),
              length(lists:zipwith(fun erlang:process_info/2, Pids, Items))
      end).

loop(Way, [Pid | Pids], Thresholds, Alive, Queued, Longest, Over, Memory,
     Largest, Queues, Memories) ->
    case sizes(Way, Pid) of
        {Bytes, 0} ->
            loop(Way, Pids, Thresholds, Alive + 1, Queued, Longest, Over,
                 Memory + Bytes, max(Largest, Bytes), Queues,
                 rank(Bytes, Pid, Memories));
        {Bytes, Length} ->
            loop(Way, Pids, Thresholds, Alive + 1, Queued + Length,
                 max(Longest, Length), over(Length, Thresholds, Over),
                 Memory + Bytes, max(Largest, Bytes),
                 rank(Length, Pid, Queues), rank(Bytes, Pid, Memories));
        gone ->
            loop(Way, Pids, Thresholds, Alive, Queued, Longest, Over, Memory,
                 Largest, Queues, Memories)
    end;
loop(_Way, [], _Thresholds, Alive, Queued, Longest, Over, Memory, Largest,
     Queues, Memories) ->
    {Alive, {Queued, Longest, Over}, {Memory, Largest}, Queues, Memories}.

-compile({inline, [sizes/2]}).
sizes(together, Pid) ->
    case process_info(Pid, [memory, message_queue_len]) of
        [{memory, Bytes}, {message_queue_len, Length}] -> {Bytes, Length};
        undefined -> gone
    end;
sizes(apart, Pid) ->
    case process_info(Pid, message_queue_len) of
        {message_queue_len, Length} ->
            case process_info(Pid, memory) of
                {memory, Bytes} -> {Bytes, Length};
                undefined -> gone
            end;
        undefined ->
            gone
    end.

answer({Alive, Queued, Memory, Queues, Memories}) ->
    Longest = pids(Queues),
    Largest = pids(Memories),
    {Alive, Queued, Memory,
     [{lists:member(Pid, Largest), lists:member(Pid, Longest), row(Pid)}
      || Pid <- lists:usort(Longest ++ Largest)]}.

over(Length, [Threshold | Thresholds], [Count | Over])
  when Length > Threshold ->
    [Count + 1 | over(Length, Thresholds, Over)];
over(_, _, Over) ->
    Over.

-spec none(pos_integer()) -> ranking().
none(K) ->
    {0, K, []}.

%% The places are ascending. Equal ones do not replace each other.
-spec rank(non_neg_integer(), pid(), ranking()) -> ranking().
rank(Value, _Pid, {Lowest, 0, _} = Ranking) when Value =< Lowest ->
    Ranking;
rank(Value, Pid, {_, 0, [_ | Places]}) ->
    [{Lowest, _} | _] = New = insert({Value, Pid}, Places),
    {Lowest, 0, New};
rank(Value, Pid, {_, Free, Places}) ->
    [{Lowest, _} | _] = New = insert({Value, Pid}, Places),
    {Lowest, Free - 1, New}.

insert(Place, [Next | Places]) when Place > Next ->
    [Next | insert(Place, Places)];
insert(Place, Places) ->
    [Place | Places].

-spec pids(ranking()) -> [pid()].
pids({_, _, Places}) ->
    [Pid || {_, Pid} <- Places].

row(Pid) ->
    Items = [registered_name, initial_call, parent, current_function, status,
             reductions, memory, message_queue_len, total_heap_size],
    case process_info(Pid, Items) of
        undefined ->
            false;
        [{_, Name}, {_, Spawned}, {_, Parent}, {_, Current}, {_, Status},
         {_, Reductions}, {_, Memory}, {_, Queue}, {_, Heap}] ->
            {Pid, Name, initial_call(Pid, Heap, Spawned), Parent,
             name_of(Parent), Current, Status, Reductions, Memory, Queue}
    end.

%% Not by one key of the dictionary, which OTP 25 does not know.
initial_call(Pid, Heap, Spawned) when Heap < 100000 ->
    case process_info(Pid, dictionary) of
        {dictionary, Entries} ->
            proplists:get_value('$initial_call', Entries, Spawned);
        undefined ->
            Spawned
    end;
initial_call(_Pid, _Heap, Spawned) ->
    Spawned.

name_of(Pid) when is_pid(Pid), node(Pid) =:= node() ->
    case process_info(Pid, registered_name) of
        {registered_name, Name} -> Name;
        _ -> undefined
    end;
name_of(_) ->
    undefined.

%% ---------------------------------------------------- what the node is given

%% Processes that do nothing. Nobody ends them but the node.
-spec start_idle(non_neg_integer()) -> ok.
start_idle(0) ->
    ok;
start_idle(Number) ->
    spawn(fun idle/0),
    start_idle(Number - 1).

idle() ->
    receive after infinity -> ok end.

%% A gen_server, as far as its callers can see.
-spec start_ponger() -> pid().
start_ponger() ->
    spawn(fun pong/0).

pong() ->
    receive
        {'$gen_call', From, ping} -> gen_server:reply(From, pong)
    end,
    pong().

%% Pings for so long, a millisecond apart; how many microseconds each took.
-spec ping(pid(), Milliseconds :: pos_integer()) -> [non_neg_integer()].
ping(Server, Milliseconds) ->
    ping(Server, erlang:monotonic_time(millisecond) + Milliseconds, []).

ping(Server, Until, Times) ->
    case erlang:monotonic_time(millisecond) < Until of
        true ->
            {Time, pong} =
                timer:tc(gen_server, call, [Server, ping, infinity]),
            receive after 1 -> ok end,
            ping(Server, Until, [Time | Times]);
        false ->
            Times
    end.
