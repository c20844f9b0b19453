-- What stands between a login and a group role. $1 login, $2 role
select to_regrole(quote_ident($1)) is not null as login_exists,
       to_regrole(quote_ident($2)) is not null as role_exists,
       exists (
           select
             from pg_auth_members as m
            where m.member = to_regrole(quote_ident($1)) and m.roleid = to_regrole(quote_ident($2))
       ) as is_member,
       format('grant %I to %I', $2::text, $1::text) as grant_it,
       quote_ident($1) as quoted_login
