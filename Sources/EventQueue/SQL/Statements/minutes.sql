-- $1 first minute since 1970, $2 the one after the last
select minute, node, state, bucket, calls, sampled
  from rejoinder.minutes(to_timestamp($1::integer * 60.0), to_timestamp($2::integer * 60.0))
