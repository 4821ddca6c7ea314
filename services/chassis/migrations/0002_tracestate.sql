-- W3C Trace Context is two headers: what the tools on an event's way have to tell each other travels with the first.
alter table outbox add column tracestate text;
alter table dead_letter add column tracestate text;
