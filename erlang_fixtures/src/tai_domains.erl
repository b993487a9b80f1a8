%% The nine domains of governance, as data: which supervisor holds their
%% governors and how a governor moves between its states. The names are those
%% of the real system, the state machines are plausible stand-ins.
-module(tai_domains).

-export([all/0, fetch/1]).
-export_type([name/0, domain/0]).

-type name() :: entitlement | billing | product_catalog | subscription
              | customer_account | quota_sla | compliance_audit
              | multi_tenant | taiea_entitlement.
-type domain() :: #{name := name(),
                    supervisor := atom(),
                    governor := atom(),
                    initial := State :: atom(),
                    moves := #{{State :: atom(), Signal :: atom()} =>
                                   Next :: atom()}}.

-spec fetch(name()) -> domain().
fetch(Name) ->
    [Domain] = [D || #{name := N} = D <- all(), N =:= Name],
    Domain.

%% In the order in which governance_sup starts them.
-spec all() -> [domain(), ...].
all() ->
    [#{name => entitlement,
       supervisor => entitlement_sup,
       governor => entitlement_governor,
       initial => granted,
       moves => #{{granted, expire} => expired,
                  {granted, revoke} => revoked,
                  {expired, renew} => granted,
                  {revoked, grant} => granted}},
     #{name => billing,
       supervisor => billing_sup,
       governor => billing_governor,
       initial => current,
       moves => #{{current, miss_payment} => past_due,
                  {past_due, pay} => current,
                  {past_due, end_grace} => suspended,
                  {suspended, pay} => current}},
     #{name => product_catalog,
       supervisor => product_catalog_sup,
       governor => product_catalog_governor,
       initial => published,
       moves => #{{published, edit} => draft,
                  {draft, publish} => published,
                  {published, retire} => retired}},
     #{name => subscription,
       supervisor => subscription_sup,
       governor => subscription_governor,
       initial => trialing,
       moves => #{{trialing, convert} => active,
                  {trialing, cancel} => cancelled,
                  {active, pause} => paused,
                  {paused, resume} => active,
                  {active, cancel} => cancelled}},
     #{name => customer_account,
       supervisor => customer_account_sup,
       governor => customer_account_governor,
       initial => open,
       moves => #{{open, hold} => on_hold,
                  {on_hold, release} => open,
                  {on_hold, close} => closed}},
     #{name => quota_sla,
       supervisor => quota_sla_sup,
       governor => quota_sla_governor,
       initial => within_quota,
       moves => #{{within_quota, exceed} => throttled,
                  {throttled, recover} => within_quota,
                  {throttled, breach} => breached,
                  {breached, recover} => within_quota}},
     #{name => compliance_audit,
       supervisor => compliance_audit_sup,
       governor => compliance_audit_governor,
       initial => compliant,
       moves => #{{compliant, review} => under_review,
                  {under_review, pass} => compliant,
                  {under_review, fail} => non_compliant,
                  {non_compliant, review} => under_review}},
     #{name => multi_tenant,
       supervisor => multi_tenant_sup,
       governor => multi_tenant_governor,
       initial => isolated,
       moves => #{{isolated, contend} => contended,
                  {contended, settle} => isolated,
                  {contended, quarantine} => quarantined,
                  {quarantined, settle} => isolated}},
     #{name => taiea_entitlement,
       supervisor => taiea_entitlement_sup,
       governor => taiea_entitlement_governor,
       initial => inactive,
       moves => #{{inactive, activate} => active,
                  {active, deactivate} => inactive,
                  {active, suspend} => suspended,
                  {suspended, activate} => active}}].
