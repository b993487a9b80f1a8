%% A tree of very many supervisors: one at the top, below it so many groups,
%% and in each so many supervisors without children.
-module(many_supervisors).
-behaviour(supervisor).

-export([start/2]).
-export([init/1, start_link/1]).

%% Registered as many_supervisors; it ends with the process that is returned.
-spec start(Groups :: pos_integer(), InEach :: pos_integer()) -> pid().
start(Groups, InEach) ->
    keeper:start(fun() ->
        {ok, _} = supervisor:start_link({local, ?MODULE}, ?MODULE,
                                        [Groups, InEach])
    end).

-spec start_link([pos_integer()]) -> {ok, pid()}.
start_link(Sizes) ->
    {ok, _} = supervisor:start_link(?MODULE, Sizes).

-spec init([pos_integer()]) ->
          {ok, {supervisor:sup_flags(), [supervisor:child_spec()]}}.
init([]) ->
    {ok, {#{}, []}};
init([Size | Below]) ->
    {ok, {#{}, [#{id => {below, Number},
                  start => {?MODULE, start_link, [Below]},
                  type => supervisor}
                || Number <- lists:seq(1, Size)]}}.
