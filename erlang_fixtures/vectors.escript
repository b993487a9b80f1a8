#!/usr/bin/env escript
%% Golden vectors of the external term format, written by a real node. Remake
%% them, from the root of the repository, with the escript of each release:
%%
%%     escript erlang_fixtures/vectors.escript > tests/vectors/otp25.json
%%     escript erlang_fixtures/vectors.escript > tests/vectors/otp28.json
%%
%% "erlang" is the expression that gives the term. Terms that no expression
%% gives are described by their fields instead:
%%
%%     pid node=tai@host id=5 serial=7 creation=3
%%     port node=tai@host id=5 creation=3
%%     reference node=tai@host creation=3 words=1,2,3     (in wire order)
%%     fun module=erl_eval arity=1 index=42 uniq=.. old_index=.. old_uniq=..
%%         pid=<0.9.0> free=1                              (on one line)
%%
%% "canonical" says whether the bytes are what this release itself writes for
%% the term with minor_version 2; all others are only to be read. Bytes made by
%% hand have been decoded here and compared before they are printed, and a
%% mismatch stops the script before its first line of output. Only the vector
%% reference_make_ref differs from run to run.

%% Compiling is the default since OTP 27, and needs an application that small
%% runtimes do not carry.
-mode(interpret).

-define(NODE, "tai@host").
-define(CREATION, 1718000000).

main([]) ->
    Vectors = integers() ++ floats() ++ atoms() ++ tuples() ++ lists()
        ++ maps() ++ binaries() ++ pids() ++ ports() ++ references()
        ++ functions() ++ options() ++ legacy(),
    Names = [Name || {Name, _, _, _} <- Vectors],
    [] = Names -- lists:usort(Names),
    Lines = lists:join(",\n", [json(Vector) || Vector <- Vectors]),
    io:put_chars(
      ["{\"otp_release\": \"", erlang:system_info(otp_release),
       "\", \"erts\": \"", erlang:system_info(version),
       "\", \"vectors\": [\n", Lines, "\n]}\n"]).

%% Names carry the tag where a boundary between two tags is near.

integers() ->
    [text(Name, Text)
     || {Name, Text} <-
            [{small_integer_0, "0"},
             {small_integer_1, "1"},
             {small_integer_255, "255"},
             {integer_256, "256"},
             {integer_minus_1, "-1"},
             {integer_2_27_minus_1, "(1 bsl 27) - 1"},
             {integer_2_27, "1 bsl 27"},
             {integer_minus_2_27, "-(1 bsl 27)"},
             {integer_minus_2_27_minus_1, "-(1 bsl 27) - 1"},
             {integer_2_31_minus_1, "(1 bsl 31) - 1"},
             {integer_minus_2_31, "-(1 bsl 31)"},
             {small_big_2_31, "1 bsl 31"},
             {small_big_minus_2_31_minus_1, "-(1 bsl 31) - 1"},
             {small_big_2_32, "1 bsl 32"},
             {small_big_2_59, "1 bsl 59"},
             {small_big_minus_2_59_minus_1, "-(1 bsl 59) - 1"},
             {small_big_2_63_minus_1, "(1 bsl 63) - 1"},
             {small_big_2_63, "1 bsl 63"},
             {small_big_minus_2_63, "-(1 bsl 63)"},
             {small_big_2_64_minus_1, "(1 bsl 64) - 1"},
             {small_big_2_64, "1 bsl 64"},
             {small_big_minus_2_64, "-(1 bsl 64)"},
             {small_big_2_2040_minus_1, "(1 bsl 2040) - 1"},
             {small_big_minus_2_2040_plus_1, "-(1 bsl 2040) + 1"},
             {large_big_2_2040, "1 bsl 2040"},
             {large_big_minus_2_2040, "-(1 bsl 2040)"},
             {large_big_minus_2_2048, "-(1 bsl 2048)"}]].

floats() ->
    [text(Name, Text)
     || {Name, Text} <-
            [{float_0, "0.0"},
             {float_minus_0, "-0.0"},
             {float_1_5, "1.5"},
             {float_minus_1_5, "-1.5"},
             {float_0_1, "0.1"},
             {float_1e308, "1.0e308"},
             {float_largest, "1.7976931348623157e308"},
             {float_smallest_normal, "2.2250738585072014e-308"},
             {float_smallest, "5.0e-324"}]].

atoms() ->
    [text(Name, Text)
     || {Name, Text} <-
            [{atom_empty, "''"},
             {atom_ok, "ok"},
             {atom_true, "true"},
             {atom_false, "false"},
             {atom_undefined, "undefined"},
             {atom_nil, "nil"},
             {atom_quoted, "'hello world'"},
             {atom_ascii_255, "list_to_atom(lists:duplicate(255, $a))"},
             {atom_latin1, "'caf\\x{e9}'"},
             {atom_latin1_127_small,
              "list_to_atom(lists:duplicate(127, 16#e9))"},
             {atom_latin1_128, "list_to_atom(lists:duplicate(128, 16#e9))"},
             {atom_latin1_255, "list_to_atom(lists:duplicate(255, 16#e9))"},
             {atom_unicode, "'\\x{3bb}\\x{6f22}\\x{1f600}'"},
             {atom_unicode_255,
              "list_to_atom(lists:duplicate(255, 16#1f600))"}]].

tuples() ->
    [text(Name, Text)
     || {Name, Text} <-
            [{tuple_empty, "{}"},
             {tuple_one, "{ok}"},
             {tuple_nested, "{ok,{error,{1,{}}}}"},
             {small_tuple_255, "list_to_tuple(lists:seq(1, 255))"},
             {large_tuple_256, "list_to_tuple(lists:seq(1, 256))"}]].

lists() ->
    [text(Name, Text)
     || {Name, Text} <-
            [{list_empty, "[]"},
             {string_abc, "\"abc\""},
             {string_bytes_0_255, "[0,255]"},
             {string_65535, "lists:duplicate(65535, $a)"},
             {list_65536_bytes, "lists:duplicate(65536, $a)"},
             {list_with_256, "[1,256]"},
             {list_with_minus_1, "[-1]"},
             {list_unicode, "\"\\x{3bb}x\""},
             {list_atoms, "[a,b,c]"},
             {list_nested, "[[],[1],[a,[b,[\"c\"]]]]"},
             {list_of_pairs, "[{memory,2688},{message_queue_len,0}]"},
             {improper_a_b, "[a|b]"},
             {improper_1_2_3, "[1,2|3]"},
             {improper_binary_tail, "[1,a|<<\"tail\">>]"}]].

maps() ->
    Pairs = "maps:from_list([{I, -I} || I <- lists:seq(1, ~b)])",
    [text(Name, Text)
     || {Name, Text} <-
            [{map_empty, "#{}"},
             {map_one, "#{a => 1}"},
             {map_like_keys,
              "#{1 => integer,1.0 => float,true => atom,"
              "<<\"1\">> => binary,\"1\" => string}"},
             {map_keys_of_every_kind,
              "#{#{a => #{}} => map,{1,[2]} => tuple,[a|b] => improper,"
              "[] => nil,<<1:1>> => bits}"},
             {map_nested, "#{a => #{b => #{c => [#{}]}}}"},
             {map_32_keys, io_lib:format(Pairs, [32])},
             {map_33_keys, io_lib:format(Pairs, [33])},
             {map_40_keys, io_lib:format(Pairs, [40])}]].

binaries() ->
    [text(Name, Text)
     || {Name, Text} <-
            [{binary_empty, "<<>>"},
             {binary_abc, "<<\"abc\">>"},
             {binary_not_utf8, "<<0,255,254>>"},
             {binary_300, "binary:copy(<<7>>, 300)"},
             {bits_1, "<<1:1>>"},
             {bits_3, "<<5:3>>"},
             {bits_15, "<<255,1:7>>"}]].

pids() ->
    Legacy = fun(Id, Serial, Creation) ->
                     [103, atom(?NODE), <<Id:32, Serial:32, Creation>>]
             end,
    [described(pid_local, {pid, "nonode@nohost", 5, 0, 0},
               list_to_pid("<0.5.0>")),
     remote(pid_remote, {pid, ?NODE, 5, 7, ?CREATION}),
     remote(pid_remote_largest,
            {pid, ?NODE, 16#ffffffff, 16#ffffffff, 16#ffffffff}),
     remote(pid_remote_unicode_node,
            {pid, [16#3bb | "@host"], 5, 7, ?CREATION}),
     remote(pid_ext, {pid, ?NODE, 5, 7, 3}, Legacy(5, 7, 3))].

%% The tag depends on the release: 28 always writes V4_PORT_EXT, 25 does so
%% only for numbers that need more than 28 bits. So the ports come as written,
%% and one of them in each tag.
ports() ->
    Tags = fun(Id) ->
                   [{new_port_ext,
                     [89, atom(?NODE), <<Id:32, (?CREATION):32>>]},
                    {v4_port_ext,
                     [120, atom(?NODE), <<Id:64, (?CREATION):32>>]}]
           end,
    Small = {port, ?NODE, 5, ?CREATION},
    Largest28 = {port, ?NODE, 16#fffffff, ?CREATION},
    [written(port_remote, Small),
     written(port_remote_2_28_minus_1, Largest28),
     written(port_remote_2_28, {port, ?NODE, 16#10000000, ?CREATION}),
     written(port_remote_largest,
             {port, ?NODE, 16#ffffffffffffffff, ?CREATION})]
        ++ [remote(Tag, Small, Bytes) || {Tag, Bytes} <- Tags(5)]
        ++ [remote(port_ext, {port, ?NODE, 5, 3},
                   [102, atom(?NODE), <<5:32, 3>>])].

references() ->
    Made = make_ref(),
    "#Ref<" ++ Printed = ref_to_list(Made),
    ["0" | Reversed] = string:lexemes(Printed, ".>"),
    Words = [list_to_integer(W) || W <- lists:reverse(Reversed)],
    Newer = fun(Ws) -> {reference, ?NODE, ?CREATION, Ws} end,
    Legacy = fun(Ws) ->
                     [114, <<(length(Ws)):16>>, atom(?NODE), 3, words(Ws)]
             end,
    [described(reference_make_ref, {reference, "nonode@nohost", 0, Words},
               Made),
     remote(reference_1_word, Newer([7])),
     remote(reference_2_words, Newer([7, 8])),
     remote(reference_3_words, Newer([7, 8, 9])),
     remote(reference_5_words, Newer([7, 8, 9, 10, 16#ffffffff])),
     remote(new_reference_ext_1_word, {reference, ?NODE, 3, [7]},
            Legacy([7])),
     remote(new_reference_ext_3_words, {reference, ?NODE, 3, [7, 8, 9]},
            Legacy([7, 8, 9])),
     remote(new_reference_ext_5_words,
            {reference, ?NODE, 3, [7, 8, 9, 10, 11]},
            Legacy([7, 8, 9, 10, 11])),
     remote(reference_ext, {reference, ?NODE, 3, [7]},
            [101, atom(?NODE), <<7:32, 3>>])].

functions() ->
    [text(export_process_info, "fun erlang:process_info/2"),
     text(export_lists_map, "fun lists:map/2"),
     text(export_arity_255, "fun m:f/255"),
     local_fun()].

%% Evaluated with one binding, so that the environment holds a variable.
local_fun() ->
    Fun = eval("fun(X) -> X + Y end", [{'Y', 1}]),
    Info = maps:from_list(erlang:fun_info(Fun)),
    #{module := Module, arity := Arity, new_index := Index,
      new_uniq := Uniq, index := OldIndex, uniq := OldUniq,
      pid := Pid, env := Env} = Info,
    Text = io_lib:format(
             "fun module=~s arity=~b index=~b uniq=~s old_index=~b "
             "old_uniq=~b pid=~w free=~b",
             [Module, Arity, Index, hex(Uniq), OldIndex, OldUniq, Pid,
              length(Env)]),
    vector(local_fun, Text, encode(Fun), Fun).

options() ->
    [text(Name, Text, Options)
     || {Name, Text, Options} <-
            [{atom_minor1, "ok", [{minor_version, 1}]},
             {atom_latin1_minor1, "'caf\\x{e9}'", [{minor_version, 1}]},
             {atom_unicode_minor1, "'\\x{3bb}'", [{minor_version, 1}]},
             {float_minor0, "1.5", [{minor_version, 0}]},
             {float_minus_0_1_minor0, "-0.1", [{minor_version, 0}]},
             {compressed_list, "lists:duplicate(1000, compressed)",
              [{minor_version, 2}, compressed]},
             {compressed_binary, "binary:copy(<<7>>, 300)",
              [{minor_version, 2}, {compressed, 9}]}]].

%% Tags that a node reads and never or no longer writes, and values in larger
%% tags than they need.
legacy() ->
    Padded = string:pad("1.50000000000000000000e+00", 31, trailing, 0),
    [decoded(Name, Text, Bytes)
     || {Name, Text, Bytes} <-
            [{integer_ext_5, "5", [98, <<5:32>>]},
             {small_big_ext_5, "5", [110, 1, 0, 5]},
             {small_big_ext_leading_zeros, "-5", [110, 4, 1, 5, 0, 0, 0]},
             {large_big_ext_5, "5", [111, <<1:32>>, 0, 5]},
             {float_ext, "1.5", [99, Padded]},
             {atom_ext, "ok", [100, <<2:16>>, "ok"]},
             {atom_ext_latin1, "'caf\\x{e9}'", [100, <<4:16>>, "caf", 16#e9]},
             {small_atom_ext, "ok", [115, 2, "ok"]},
             {small_atom_ext_latin1, "'caf\\x{e9}'",
              [115, 4, "caf", 16#e9]},
             {atom_utf8_ext_short, "ok", [118, <<2:16>>, "ok"]},
             {large_tuple_ext_2, "{1,2}", [105, <<2:32>>, 97, 1, 97, 2]},
             {list_ext_bytes, "[1,2]", [108, <<2:32>>, 97, 1, 97, 2, 106]},
             {list_ext_empty, "[]", [108, <<0:32>>, 106]},
             {list_ext_tail_is_list, "[1,2,3]",
              [108, <<1:32>>, 97, 1, 107, <<2:16>>, 2, 3]},
             {string_ext_empty, "[]", [107, <<0:16>>]},
             {bit_binary_ext_8, "<<255>>", [77, <<1:32>>, 8, 255]},
             {export_ext_old_atoms, "fun lists:map/2",
              [113, 100, <<5:16>>, "lists", 115, 3, "map", 97, 2]}]].

%% A vector is {Name, Text, Bytes, Canonical}.

text(Name, Text) ->
    text(Name, Text, [{minor_version, 2}]).

text(Name, Text, Options) ->
    Term = eval(Text, []),
    vector(Name, Text, term_to_binary(Term, Options), Term).

decoded(Name, Text, Body) ->
    vector(Name, Text, iolist_to_binary([131, Body]), eval(Text, [])).

%% What the node writes for an identity it was given by hand.
written(Name, Identity) ->
    described(Name, Identity, identity(Identity)).

%% The same, where the tag is the newest and so the bytes must come back.
remote(Name, Identity) ->
    remote(Name, Identity, body(Identity)).

remote(Name, Identity, Body) ->
    Bytes = iolist_to_binary([131, Body]),
    vector(Name, describe(Identity), Bytes, identity(Identity)).

described(Name, Identity, Term) ->
    Identified = printed(Identity, Term),
    true = Identified,
    vector(Name, describe(Identity), encode(Term), Term).

vector(Name, Text, Bytes, Term) ->
    {Name, true} = {Name, binary_to_term(Bytes) =:= Term},
    {Name, lists:flatten(Text), Bytes, Bytes =:= encode(Term)}.

identity(Identity) ->
    Term = binary_to_term(iolist_to_binary([131, body(Identity)])),
    true = printed(Identity, Term),
    Term.

body({pid, Node, Id, Serial, Creation}) ->
    [88, atom(Node), <<Id:32, Serial:32, Creation:32>>];
body({port, Node, Id, Creation}) ->
    [120, atom(Node), <<Id:64, Creation:32>>];
body({reference, Node, Creation, Words}) ->
    [90, <<(length(Words)):16>>, atom(Node), <<Creation:32>>, words(Words)].

atom(Name) ->
    Utf8 = unicode:characters_to_binary(Name),
    [119, byte_size(Utf8), Utf8].

words(Words) ->
    << <<Word:32>> || Word <- Words >>.

describe({pid, Node, Id, Serial, Creation}) ->
    io_lib:format("pid node=~s id=~b serial=~b creation=~b",
                  [node_text(Node), Id, Serial, Creation]);
describe({port, Node, Id, Creation}) ->
    io_lib:format("port node=~s id=~b creation=~b",
                  [node_text(Node), Id, Creation]);
describe({reference, Node, Creation, Words}) ->
    io_lib:format("reference node=~s creation=~b words=~s",
                  [node_text(Node), Creation, dotted(Words, ",")]).

node_text(Node) ->
    [case Char < 127 of
         true -> Char;
         false -> io_lib:format("\\x{~.16b}", [Char])
     end || Char <- Node].

%% Whether the node itself prints the term with the numbers meant; the
%% printed form leaves out the creation, which the bytes then show.
printed(Identity, Term) ->
    {Node, Numbers} =
        case Identity of
            {pid, N, Id, Serial, _} -> {N, [Id, Serial]};
            {port, N, Id, _} -> {N, [Id]};
            {reference, N, _, Words} -> {N, lists:reverse(Words)}
        end,
    End = lists:flatten([$., dotted(Numbers, "."), $>]),
    lists:suffix(End, lists:flatten(io_lib:format("~w", [Term])))
        andalso atom_to_list(node(Term)) =:= Node.

dotted(Numbers, Separator) ->
    lists:join(Separator, [integer_to_list(Number) || Number <- Numbers]).

encode(Term) ->
    term_to_binary(Term, [{minor_version, 2}]).

eval(Text, Bindings) ->
    {ok, Tokens, _} = erl_scan:string(lists:flatten([Text, $.])),
    {ok, Exprs} = erl_parse:parse_exprs(Tokens),
    {value, Term, _} = erl_eval:exprs(Exprs, Bindings),
    Term.

json({Name, Text, Bytes, Canonical}) ->
    io_lib:format("{\"name\": \"~s\", \"erlang\": \"~s\", "
                  "\"canonical\": ~s, \"hex\": \"~s\"}",
                  [Name, escape(Text), Canonical, hex(Bytes)]).

%% Texts are printable ASCII by construction; anything else ends the script.
escape(Text) ->
    [case Char of
         $" -> "\\\"";
         $\\ -> "\\\\";
         _ when Char >= 32, Char < 127 -> Char
     end || Char <- Text].

hex(Bytes) ->
    string:lowercase(binary:encode_hex(Bytes)).
