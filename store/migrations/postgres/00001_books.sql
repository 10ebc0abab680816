-- +goose Up
-- IDs are ULIDs; COLLATE "C" compares them, and every key a stranger chose, byte by byte.

-- One row for every accepted message and what became of it.
CREATE TABLE ledger (
  id          text COLLATE "C" PRIMARY KEY,
  source      text COLLATE "C" NOT NULL,
  scope       text COLLATE "C" NOT NULL,
  external_id text COLLATE "C" NOT NULL,
  fingerprint text COLLATE "C" NOT NULL,
  thread_key  text COLLATE "C" NOT NULL,
  source_time timestamptz NOT NULL,
  accepted_at timestamptz NOT NULL,
  raw_digest  text NOT NULL,
  raw_size    bigint NOT NULL,
  draft       text NOT NULL,
  state       text NOT NULL,
  reason      text NOT NULL,
  attempts    integer NOT NULL,
  ticket_id   text NOT NULL,
  message_id  text NOT NULL,
  settled_at  timestamptz,
  swept_at    timestamptz,
  trail       text NOT NULL
);
CREATE UNIQUE INDEX ledger_message ON ledger (source, external_id, fingerprint);
CREATE INDEX ledger_seen ON ledger (scope, external_id);
CREATE INDEX ledger_waiting ON ledger (accepted_at) WHERE state = 'accepted';
CREATE INDEX ledger_ahead ON ledger (scope, thread_key, id) WHERE state = 'accepted';
CREATE INDEX ledger_unfiled ON ledger (state, id) WHERE state <> 'filed';

-- Which ticket a conversation key or external ID belongs to.
CREATE TABLE threads (
  scope      text COLLATE "C" NOT NULL,
  key        text COLLATE "C" NOT NULL,
  ticket_id  text COLLATE "C" NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (scope, key)
);

CREATE SEQUENCE ticket_number;

CREATE TABLE tickets (
  id                text COLLATE "C" PRIMARY KEY,
  number            bigint NOT NULL,
  title             text NOT NULL,
  description       text NOT NULL,
  status            text NOT NULL,
  priority          text NOT NULL,
  type              text NOT NULL,
  channel           text NOT NULL,
  source            text NOT NULL,
  scope             text NOT NULL,
  tags              text NOT NULL,
  due_date          timestamptz,
  customer_id       text COLLATE "C" NOT NULL,
  team_id           text COLLATE "C" NOT NULL,
  agent_id          text COLLATE "C" NOT NULL,
  assigned_by       text NOT NULL,
  escalation        integer NOT NULL,
  handling          bigint NOT NULL,
  custom            text NOT NULL,
  participants      text NOT NULL,
  clocks            text NOT NULL,
  next_due_at       timestamptz,
  previous_status   text NOT NULL,
  first_response_at timestamptz,
  resolved_at       timestamptz,
  closed_at         timestamptz,
  reopen_count      integer NOT NULL,
  message_count     integer NOT NULL,
  last_customer_at  timestamptz,
  last_agent_at     timestamptz,
  merged_into       text NOT NULL,
  event_count       integer NOT NULL,
  thread_source     text NOT NULL,
  thread_key        text NOT NULL,
  thread_address    text NOT NULL,
  created_at        timestamptz NOT NULL,
  updated_at        timestamptz NOT NULL,
  deleted_at        timestamptz,
  version           bigint NOT NULL
);
CREATE UNIQUE INDEX tickets_number ON tickets (number);
CREATE INDEX tickets_status ON tickets (status, id);
CREATE INDEX tickets_team ON tickets (team_id, id);
CREATE INDEX tickets_agent ON tickets (agent_id, id) WHERE agent_id <> '';
CREATE INDEX tickets_customer ON tickets (customer_id, id);
CREATE INDEX tickets_due ON tickets (next_due_at) WHERE next_due_at IS NOT NULL;

CREATE TABLE messages (
  id          text COLLATE "C" PRIMARY KEY,
  ticket_id   text COLLATE "C" NOT NULL,
  receipt_id  text NOT NULL,
  direction   text NOT NULL,
  public      boolean NOT NULL,
  author      text NOT NULL,
  channel     text NOT NULL,
  source      text NOT NULL,
  scope       text COLLATE "C" NOT NULL,
  external_id text COLLATE "C" NOT NULL,
  fingerprint text COLLATE "C" NOT NULL,
  sender      text NOT NULL,
  subject     text NOT NULL,
  body        text NOT NULL,
  html_digest text NOT NULL,
  html_size   bigint NOT NULL,
  raw_digest  text NOT NULL,
  raw_size    bigint NOT NULL,
  attachments text NOT NULL,
  mentions    text NOT NULL,
  damage      text NOT NULL,
  auto        text NOT NULL,
  send_state  text NOT NULL,
  send_tries  integer NOT NULL,
  send_error  text NOT NULL,
  swept_at    timestamptz,
  taken_at    timestamptz,
  sent_at     timestamptz,
  created_at  timestamptz NOT NULL
);
CREATE UNIQUE INDEX messages_unique ON messages (scope, external_id, fingerprint) WHERE external_id <> '';
CREATE INDEX messages_ticket ON messages (ticket_id, id);
CREATE INDEX messages_sending ON messages (id) WHERE send_state IN ('queued', 'sending', 'unknown');

CREATE TABLE events (
  id        text COLLATE "C" PRIMARY KEY,
  ticket_id text COLLATE "C" NOT NULL,
  seq       integer NOT NULL,
  kind      text NOT NULL,
  actor     text NOT NULL,
  at        timestamptz NOT NULL,
  data      text NOT NULL
);
CREATE UNIQUE INDEX events_ticket ON events (ticket_id, seq);

CREATE TABLE accounts (
  id            text COLLATE "C" PRIMARY KEY,
  name          text NOT NULL,
  domain        text COLLATE "C",
  service_level text NOT NULL,
  created_at    timestamptz NOT NULL
);
CREATE UNIQUE INDEX accounts_domain ON accounts (domain) WHERE domain IS NOT NULL;

CREATE TABLE customers (
  id            text COLLATE "C" PRIMARY KEY,
  external_id   text COLLATE "C",
  name          text NOT NULL,
  email         text NOT NULL,
  phone         text NOT NULL,
  account_id    text COLLATE "C" NOT NULL,
  service_level text NOT NULL,
  vip           boolean NOT NULL,
  language      text NOT NULL,
  time_zone     text NOT NULL,
  preferences   text NOT NULL,
  created_at    timestamptz NOT NULL,
  updated_at    timestamptz NOT NULL
);
CREATE UNIQUE INDEX customers_external ON customers (external_id) WHERE external_id IS NOT NULL;

CREATE TABLE identities (
  kind        text COLLATE "C" NOT NULL,
  handle      text COLLATE "C" NOT NULL,
  customer_id text COLLATE "C" NOT NULL,
  verified    boolean NOT NULL,
  PRIMARY KEY (kind, handle)
);
CREATE INDEX identities_customer ON identities (customer_id);

-- Teams that were named on first use; the others live in the config.
CREATE TABLE teams (
  id         text COLLATE "C" PRIMARY KEY,
  name       text NOT NULL,
  data       text NOT NULL
);

-- How many turns a team's round robin has given.
CREATE TABLE turns (
  team_id text COLLATE "C" PRIMARY KEY,
  n       bigint NOT NULL
);

CREATE TABLE links (
  from_id    text COLLATE "C" NOT NULL,
  to_id      text COLLATE "C" NOT NULL,
  type       text NOT NULL,
  actor      text NOT NULL,
  reason     text NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (from_id, to_id, type)
);
CREATE INDEX links_to ON links (to_id);

CREATE TABLE api_keys (
  id         text COLLATE "C" PRIMARY KEY,
  name       text NOT NULL,
  role       text NOT NULL,
  prefix     text NOT NULL,
  hash       bytea NOT NULL,
  created_at timestamptz NOT NULL,
  revoked_at timestamptz
);
CREATE UNIQUE INDEX api_keys_hash ON api_keys (hash);
CREATE UNIQUE INDEX api_keys_name ON api_keys (name) WHERE revoked_at IS NULL;

CREATE TABLE settings (
  name  text PRIMARY KEY,
  value bytea NOT NULL
);

-- Who reads a mailbox now; the token fences out who did before.
CREATE TABLE leases (
  name       text PRIMARY KEY,
  holder     text NOT NULL,
  token      bigint NOT NULL,
  expires_at timestamptz NOT NULL
);

-- How far each mailbox folder was read.
CREATE TABLE cursors (
  source       text NOT NULL,
  folder       text NOT NULL,
  uid_validity bigint NOT NULL,
  last_uid     bigint NOT NULL,
  PRIMARY KEY (source, folder)
);

-- +goose Down
DROP TABLE ledger, threads, tickets, messages, events, accounts, customers, identities, teams, turns, links, api_keys, settings, leases, cursors;
DROP SEQUENCE ticket_number;
