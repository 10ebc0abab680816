-- +goose Up
-- IDs are ULIDs. Times are text in UTC, of one form that sorts; the driver reads a datetime column as a time.

-- One row for every accepted message and what became of it.
CREATE TABLE ledger (
  id          text PRIMARY KEY,
  source      text NOT NULL,
  scope       text NOT NULL,
  external_id text NOT NULL,
  fingerprint text NOT NULL,
  thread_key  text NOT NULL,
  source_time datetime NOT NULL,
  accepted_at datetime NOT NULL,
  raw_digest  text NOT NULL,
  raw_size    integer NOT NULL,
  draft       text NOT NULL,
  state       text NOT NULL,
  reason      text NOT NULL,
  attempts    integer NOT NULL,
  ticket_id   text NOT NULL,
  message_id  text NOT NULL,
  settled_at  datetime,
  swept_at    datetime,
  trail       text NOT NULL
);
CREATE UNIQUE INDEX ledger_message ON ledger (source, external_id, fingerprint);
CREATE INDEX ledger_seen ON ledger (scope, external_id);
CREATE INDEX ledger_waiting ON ledger (accepted_at) WHERE state = 'accepted';
CREATE INDEX ledger_ahead ON ledger (scope, thread_key, id) WHERE state = 'accepted';
CREATE INDEX ledger_unfiled ON ledger (state, id) WHERE state <> 'filed';

-- Which ticket a conversation key or external ID belongs to.
CREATE TABLE threads (
  scope      text NOT NULL,
  key        text NOT NULL,
  ticket_id  text NOT NULL,
  created_at datetime NOT NULL,
  PRIMARY KEY (scope, key)
) WITHOUT ROWID;

CREATE TABLE ticket_numbers (
  id   integer PRIMARY KEY CHECK (id = 1),
  last integer NOT NULL
);
INSERT INTO ticket_numbers VALUES (1, 0);

CREATE TABLE tickets (
  id                text PRIMARY KEY,
  number            integer NOT NULL,
  title             text NOT NULL,
  description       text NOT NULL,
  status            text NOT NULL,
  priority          text NOT NULL,
  type              text NOT NULL,
  channel           text NOT NULL,
  source            text NOT NULL,
  scope             text NOT NULL,
  tags              text NOT NULL,
  due_date          datetime,
  customer_id       text NOT NULL,
  team_id           text NOT NULL,
  agent_id          text NOT NULL,
  assigned_by       text NOT NULL,
  escalation        integer NOT NULL,
  handling          integer NOT NULL,
  custom            text NOT NULL,
  participants      text NOT NULL,
  clocks            text NOT NULL,
  next_due_at       datetime,
  previous_status   text NOT NULL,
  first_response_at datetime,
  resolved_at       datetime,
  closed_at         datetime,
  reopen_count      integer NOT NULL,
  message_count     integer NOT NULL,
  last_customer_at  datetime,
  last_agent_at     datetime,
  merged_into       text NOT NULL,
  event_count       integer NOT NULL,
  thread_source     text NOT NULL,
  thread_key        text NOT NULL,
  thread_address    text NOT NULL,
  created_at        datetime NOT NULL,
  updated_at        datetime NOT NULL,
  deleted_at        datetime,
  version           integer NOT NULL
);
CREATE UNIQUE INDEX tickets_number ON tickets (number);
CREATE INDEX tickets_status ON tickets (status, id);
CREATE INDEX tickets_team ON tickets (team_id, id);
CREATE INDEX tickets_agent ON tickets (agent_id, id) WHERE agent_id <> '';
CREATE INDEX tickets_customer ON tickets (customer_id, id);
CREATE INDEX tickets_due ON tickets (next_due_at) WHERE next_due_at IS NOT NULL;

CREATE TABLE messages (
  id          text PRIMARY KEY,
  ticket_id   text NOT NULL,
  receipt_id  text NOT NULL,
  direction   text NOT NULL,
  public      boolean NOT NULL,
  author      text NOT NULL,
  channel     text NOT NULL,
  source      text NOT NULL,
  scope       text NOT NULL,
  external_id text NOT NULL,
  fingerprint text NOT NULL,
  sender      text NOT NULL,
  subject     text NOT NULL,
  body        text NOT NULL,
  html_digest text NOT NULL,
  html_size   integer NOT NULL,
  raw_digest  text NOT NULL,
  raw_size    integer NOT NULL,
  attachments text NOT NULL,
  mentions    text NOT NULL,
  damage      text NOT NULL,
  auto        text NOT NULL,
  send_state  text NOT NULL,
  send_tries  integer NOT NULL,
  send_error  text NOT NULL,
  swept_at    datetime,
  taken_at    datetime,
  sent_at     datetime,
  created_at  datetime NOT NULL
);
CREATE UNIQUE INDEX messages_unique ON messages (scope, external_id, fingerprint) WHERE external_id <> '';
CREATE INDEX messages_ticket ON messages (ticket_id, id);
CREATE INDEX messages_sending ON messages (id) WHERE send_state IN ('queued', 'sending', 'unknown');

CREATE TABLE events (
  id        text PRIMARY KEY,
  ticket_id text NOT NULL,
  seq       integer NOT NULL,
  kind      text NOT NULL,
  actor     text NOT NULL,
  at        datetime NOT NULL,
  data      text NOT NULL
);
CREATE UNIQUE INDEX events_ticket ON events (ticket_id, seq);

CREATE TABLE accounts (
  id            text PRIMARY KEY,
  name          text NOT NULL,
  domain        text,
  service_level text NOT NULL,
  created_at    datetime NOT NULL
);
CREATE UNIQUE INDEX accounts_domain ON accounts (domain) WHERE domain IS NOT NULL;

CREATE TABLE customers (
  id            text PRIMARY KEY,
  external_id   text,
  name          text NOT NULL,
  email         text NOT NULL,
  phone         text NOT NULL,
  account_id    text NOT NULL,
  service_level text NOT NULL,
  vip           boolean NOT NULL,
  language      text NOT NULL,
  time_zone     text NOT NULL,
  preferences   text NOT NULL,
  created_at    datetime NOT NULL,
  updated_at    datetime NOT NULL
);
CREATE UNIQUE INDEX customers_external ON customers (external_id) WHERE external_id IS NOT NULL;

CREATE TABLE identities (
  kind        text NOT NULL,
  handle      text NOT NULL,
  customer_id text NOT NULL,
  verified    boolean NOT NULL,
  PRIMARY KEY (kind, handle)
) WITHOUT ROWID;
CREATE INDEX identities_customer ON identities (customer_id);

-- Teams that were named on first use; the others live in the config.
CREATE TABLE teams (
  id         text PRIMARY KEY,
  name       text NOT NULL,
  data       text NOT NULL
);

-- How many turns a team's round robin has given.
CREATE TABLE turns (
  team_id text PRIMARY KEY,
  n       integer NOT NULL
);

CREATE TABLE links (
  from_id    text NOT NULL,
  to_id      text NOT NULL,
  type       text NOT NULL,
  actor      text NOT NULL,
  reason     text NOT NULL,
  created_at datetime NOT NULL,
  PRIMARY KEY (from_id, to_id, type)
);
CREATE INDEX links_to ON links (to_id);

CREATE TABLE api_keys (
  id         text PRIMARY KEY,
  name       text NOT NULL,
  role       text NOT NULL,
  prefix     text NOT NULL,
  hash       blob NOT NULL,
  created_at datetime NOT NULL,
  revoked_at datetime
);
CREATE UNIQUE INDEX api_keys_hash ON api_keys (hash);
CREATE UNIQUE INDEX api_keys_name ON api_keys (name) WHERE revoked_at IS NULL;

CREATE TABLE settings (
  name  text PRIMARY KEY,
  value blob NOT NULL
);

-- Who reads a mailbox now; the token fences out who did before.
CREATE TABLE leases (
  name       text PRIMARY KEY,
  holder     text NOT NULL,
  token      integer NOT NULL,
  expires_at datetime NOT NULL
);

-- How far each mailbox folder was read.
CREATE TABLE cursors (
  source       text NOT NULL,
  folder       text NOT NULL,
  uid_validity integer NOT NULL,
  last_uid     integer NOT NULL,
  PRIMARY KEY (source, folder)
);

-- +goose Down
DROP TABLE ledger;
DROP TABLE threads;
DROP TABLE tickets;
DROP TABLE messages;
DROP TABLE events;
DROP TABLE accounts;
DROP TABLE customers;
DROP TABLE identities;
DROP TABLE teams;
DROP TABLE turns;
DROP TABLE links;
DROP TABLE api_keys;
DROP TABLE settings;
DROP TABLE leases;
DROP TABLE cursors;
DROP TABLE ticket_numbers;
