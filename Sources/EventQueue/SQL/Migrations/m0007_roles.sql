-- Who may do what. Four group roles; a login is made a member of one (`rejoinder grant LOGIN ROLE`) and can do just its job.
-- What a role may call runs as the schema's owner with a pinned search_path, so that no role needs a table. What only such
-- functions call is nobody's. (But for vacuuming the queue's table, which no function can do.) Two kinds run as their caller:
-- the procedures, since one with a commit inside can be neither "security definer" nor have settings; and what touches no
-- table, of which the functions in language sql are inlined.

-- Makes the roles where they are missing (they are the whole cluster's: another database may have made them), and gives each
-- what its job needs. Run after the migrations, each time: it covers what they have added, and changes only what differs.
-- "missing" are the roles that there are not, since this login may not create them.
create function rejoinder.secure(out missing text[])
language plpgsql
set search_path = pg_catalog, rejoinder, pg_temp
as $$
declare
    may_call constant jsonb := '{
        "rejoinder_ingress": [
            "enqueue_and_wake", "enqueue", "idle_lane", "wake", "results", "revive", "abandon_and_tell", "abandon", "call_off",
            "replied", "unserved", "life", "register", "heartbeat", "deregister", "note_incidents", "recover", "tidy", "drop_expired", "listen",
            "vitals", "definitions", "glance", "minutes", "sight"
        ],
        "rejoinder_worker": [
            "claim", "attend", "is_covered", "pass_on", "answer_and_settle", "store", "answer", "tell", "settle", "wake",
            "held", "release", "register", "heartbeat", "deregister", "note_incidents", "recover", "tidy", "drop_expired", "listen",
            "definitions"
        ],
        "rejoinder_operator": [
            "cancel", "retry", "answer_by_hand", "pause", "resume", "limit", "drain", "set_retention", "life", "id_at", "advice",
            "snapshots", "sees_snapshots", "definitions"
        ],
        "rejoinder_reader": ["life", "id_at", "advice", "snapshots", "sees_snapshots", "definitions"]
    }';
    role text;
    routine record;
    seen record;
begin
    missing := '{}';
    foreach role in array array(select jsonb_object_keys(may_call)) loop
        begin
            if to_regrole(role) is null then
                execute format('create role %I nologin', role);
            end if;
        exception
        when duplicate_object or unique_violation then
            null; -- somebody else has made it in this very moment
        when insufficient_privilege then
            missing := missing || role;
        end;
    end loop;

    for routine in
        select p.oid, p.oid::regprocedure::text as signature, p.proname as name,
               p.prokind = 'f' and l.lanname = 'plpgsql' and p.provolatile <> 'i' and not p.prosecdef as runs_as_caller
          from pg_proc as p
          join pg_language as l on l.oid = p.prolang
         where p.pronamespace = 'rejoinder'::regnamespace
         order by p.oid
    loop
        if has_function_privilege('public', routine.oid, 'execute') then
            execute format('revoke execute on routine %s from public', routine.signature);
        end if;
        if routine.runs_as_caller and exists (select from jsonb_each(may_call) as r where r.value ? routine.name) then
            execute format(
                'alter routine %s security definer set search_path = pg_catalog, rejoinder, pg_temp', routine.signature
            );
        end if;
        for role in select r.key from jsonb_each(may_call) as r where r.value ? routine.name and r.key <> all (missing) loop
            if not has_function_privilege(role, routine.oid, 'execute') then
                execute format('grant execute on routine %s to %I', routine.signature, role);
            end if;
        end loop;
    end loop;

    foreach role in array array(select r from jsonb_object_keys(may_call) as r where r <> all (missing)) loop
        execute format('grant usage on schema rejoinder to %I', role);
        execute format('grant select on rejoinder.migration, rejoinder.definition to %I', role);
        if role in ('rejoinder_ingress', 'rejoinder_worker') and current_setting('server_version_num')::integer >= 170000 then
            execute format('grant maintain on rejoinder.live to %I', role);
        end if;
        continue when role not in ('rejoinder_operator', 'rejoinder_reader');
        execute format(
            'grant select on rejoinder.queue, rejoinder.overview, rejoinder.nodes, rejoinder.workers, rejoinder.incidents, '
            'rejoinder.help to %I', role
        );
        if role = 'rejoinder_operator' then
            execute format(
                'grant select on rejoinder.recent, rejoinder.event, rejoinder.received, rejoinder.setting, rejoinder.audit to %I',
                role
            );
        else
            -- A reader sees neither payloads nor answers; nor errors' texts, which the views keep back.
            for seen in
                select a.attrelid::regclass as name, string_agg(quote_ident(a.attname), ', ' order by a.attnum) as columns
                  from pg_attribute as a
                 where a.attrelid in ('rejoinder.recent'::regclass, 'rejoinder.event'::regclass)
                   and a.attnum > 0
                   and a.attname <> 'answer'
                 group by a.attrelid
            loop
                execute format('grant select (%s) on %s to %I', seen.columns, seen.name, role);
            end loop;
        end if;
    end loop;
end $$;
comment on function rejoinder.secure is 'After a migration: makes the roles, and gives each what its job needs.';
