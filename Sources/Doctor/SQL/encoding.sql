-- Payloads are UTF-8, and hold characters of every script.
select case when e.encoding = 'UTF8' then 'ok' else 'broken' end,
       'the database''s encoding is ' || e.encoding
           || case when e.encoding = 'UTF8' then '' else ': events with other characters are refused' end,
       case when e.encoding <> 'UTF8' then
           'createdb --encoding=UTF8 --template=template0 NAME # then DATABASE_URL to it, and rejoinder migrate'
       end
  from (select current_setting('server_encoding') as encoding) as e
