%% A simple_one_for_one supervisor with very many children.
%%
%% See it: supervisor:count_children(many_children_sup). `beamwarden
%% supervisors' counts the children and does not list them.
%%
%%     children  how many
%%     under     the supervisor that it is started below, or none
-module(ill_many_children).
-behaviour(illness).
-behaviour(supervisor).

-export([on/0, on/1, off/0]).
-export([defaults/0, fall_ill/1, recover/1]).
-export([init/1, start_child/0]).

-define(PATIENT, many_children_sup).
-define(AT_ONCE, 1000).

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
    #{children => 10000, under => none}.

-spec fall_ill(illness:options()) -> pid().
fall_ill(#{children := Children, under := Under}) ->
    Start = {supervisor, start_link, [{local, ?PATIENT}, ?MODULE, []]},
    Supervisor = illness:start_child(
                   Under,
                   #{id => ?PATIENT, start => Start, type => supervisor}),
    start_children(Supervisor, Children),
    Supervisor.

-spec recover(pid()) -> ok.
recover(Supervisor) ->
    illness:end_tree(Supervisor).

-spec init([]) -> {ok, {supervisor:sup_flags(), [supervisor:child_spec()]}}.
init([]) ->
    {ok, {#{strategy => simple_one_for_one},
          [#{id => child, start => {?MODULE, start_child, []}}]}}.

%% Without proc_lib, which would wait for each to say that it has started.
-spec start_child() -> {ok, pid()}.
start_child() ->
    {ok, spawn_link(fun idle/0)}.

idle() ->
    receive after infinity -> ok end.

%% As supervisor:start_child/2 asks, but many questions before the answers.
start_children(_Supervisor, 0) ->
    ok;
start_children(Supervisor, Number) ->
    Now = min(Number, ?AT_ONCE),
    Requests = [gen_server:send_request(Supervisor, {start_child, []})
                || _ <- lists:seq(1, Now)],
    [{reply, {ok, _}} = gen_server:receive_response(Request, infinity)
     || Request <- Requests],
    start_children(Supervisor, Number - Now).
