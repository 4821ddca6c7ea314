#!/bin/sh
# Gives every service its PostgreSQL role, its password and its schema, as `provision` in services/chassis/src/store.rs does
# without passwords. Can be run again at any time: that is how a password is changed.
#
# DATABASE_URL says where, PGUSER and PGPASSWORD which administrator; the variable `post` is the password of post, and so on.
set -eu

until pg_isready --quiet --dbname="$DATABASE_URL"; do
  echo "waiting for PostgreSQL"
  sleep 1
done

for service in post offer deal mypage notification; do
  psql --quiet --no-psqlrc --set=ON_ERROR_STOP=1 --set=service="$service" --dbname="$DATABASE_URL" <<'SQL'
\getenv password :service
select format('create role %I login', :'service')
  where not exists (select from pg_roles where rolname = :'service') \gexec
select format('alter role %I login password %L', :'service', :'password') \gexec
select format('grant %I to current_user', :'service')
  where not pg_has_role(current_user, :'service', 'member') \gexec
set client_min_messages = warning;
create schema if not exists :"service" authorization :"service";
create extension if not exists pg_trgm with schema public;
SQL
  echo "$service has its role and schema"
done
