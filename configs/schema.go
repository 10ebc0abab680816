package configs

import (
	"time"

	"switchboard/pipeline/desk"
	"switchboard/pipeline/hours"
)

// Config is the whole of a config file. [Default] has every setting an
// installation without a file runs on; configs/example.yaml says what each is.
//
// The struct tags min, max and words are part of the schema: the decoder
// refuses what lies outside.
type Config struct {
	Server    Server         `yaml:"server"`
	Database  Database       `yaml:"database"`
	Redis     Redis          `yaml:"redis"`
	Blobs     Blobs          `yaml:"blobs"`
	Log       Log            `yaml:"log"`
	Limits    Limits         `yaml:"limits"`
	Intake    Intake         `yaml:"intake"`
	Delivery  Delivery       `yaml:"delivery"`
	Retention Retention      `yaml:"retention"`
	Operators Operators      `yaml:"operators"`
	Health    Health         `yaml:"health"`
	Canary    Canary         `yaml:"canary"`
	Traces    Traces         `yaml:"traces"`
	Threading desk.Threading `yaml:"threading"`

	Statuses      desk.Statuses            `yaml:"statuses"`
	Types         desk.Types               `yaml:"types"`
	Fields        []desk.Field             `yaml:"fields"`
	ServiceLevels map[string]desk.Priority `yaml:"serviceLevels"`
	PublicDomains []string                 `yaml:"publicDomains"`

	Calendars   []Calendar   `yaml:"calendars"`
	Agents      []desk.Agent `yaml:"agents"`
	Teams       []desk.Team  `yaml:"teams"`
	DefaultTeam desk.TeamID  `yaml:"defaultTeam"` // empty: the first team
	SLAs        []SLA        `yaml:"slas"`
	Rules       []Rule       `yaml:"rules"`
	Routes      []Route      `yaml:"routes"`
	Sources     []Source     `yaml:"sources"`

	policy *desk.Policy
	whole  Block // the file; the zero Block: there is none
}

// Server is the HTTP side.
type Server struct {
	Addr            string        `yaml:"addr"`      // host:port
	PublicURL       string        `yaml:"publicURL"` // without a slash at the end; empty: http:// and Addr
	ReadTimeout     time.Duration `yaml:"readTimeout" min:"1s"`
	ShutdownTimeout time.Duration `yaml:"shutdownTimeout" min:"1s"`
	// StallTimeout is how long a client that reads a file may take nothing of it.
	StallTimeout time.Duration `yaml:"stallTimeout" min:"1s"`
	Pprof        bool          `yaml:"pprof"` // answer /debug/pprof/
}

// Database is the store.
type Database struct {
	URL      URL `yaml:"url"` // empty: an SQLite file in the data folder
	MaxConns int `yaml:"maxConns" min:"2" max:"1000"`
	// Timeout is how long PostgreSQL may say nothing while somebody waits for it.
	Timeout time.Duration `yaml:"timeout" min:"1s"`
	// IdleTimeout is how long PostgreSQL lets a transaction of ours wait for its next
	// statement: a process that sleeps or died must not keep its rows from others.
	IdleTimeout time.Duration `yaml:"idleTimeout" min:"1s" max:"1h"`
	// StartPatience is how long a process that starts waits for a PostgreSQL that is
	// away; 0 is not at all.
	StartPatience time.Duration `yaml:"startPatience" min:"0s"`
}

// Redis is the queue: a URL, or a mode with addresses, or neither.
type Redis struct {
	URL        URL      `yaml:"url"`
	Mode       string   `yaml:"mode" words:"auto,embedded,spawn,single,sentinel,cluster"`
	Addrs      []string `yaml:"addrs"` // host:port; those of the sentinels in mode sentinel
	MasterName string   `yaml:"masterName"`
	Username   string   `yaml:"username"`
	Password   Secret   `yaml:"password"`
	// SentinelUsername and SentinelPassword are the sentinels' own, which are asked
	// before the server is.
	SentinelUsername string `yaml:"sentinelUsername"`
	SentinelPassword Secret `yaml:"sentinelPassword"`
	TLS              bool   `yaml:"tls"` // to every server, and to the sentinels
	DB               int    `yaml:"db" min:"0" max:"65535"`
	PoolSize         int    `yaml:"poolSize" min:"0" max:"10000"` // 0: by the number of processors
}

// Blobs is where raw messages and attachments lie.
type Blobs struct {
	Dir string `yaml:"dir"` // empty: in the data folder
	// KeepBytes is the size up to which a raw request, a mail or a part of one is
	// kept in the database, in the transaction that accepts it: a file of its own
	// costs three flushes of the disk.
	KeepBytes Size `yaml:"keepBytes" max:"1MB"`
}

// Log is the log on standard error.
type Log struct {
	Level  string `yaml:"level" words:"debug,info,warn,error"`
	Format string `yaml:"format" words:"text,json"`
}

// Limits bound what strangers can make us hold.
type Limits struct {
	BodyBytes    Size `yaml:"bodyBytes" min:"1KB" max:"1GB"`
	MessageBytes Size `yaml:"messageBytes" min:"1KB" max:"4GB"`
	TextBytes    Size `yaml:"textBytes" min:"1KB" max:"64MB"`
	Attachments  int  `yaml:"attachments" min:"0" max:"10000"`
	PartsPerMail int  `yaml:"partsPerMail" min:"1" max:"100000"`
	PartDepth    int  `yaml:"partDepth" min:"1" max:"1000"`
	HeaderBytes  Size `yaml:"headerBytes" min:"1KB" max:"64MB"`
	Pending      int  `yaml:"pending" min:"1" max:"1000000"` // queues of this length are made at the start

	PendingPerSource int  `yaml:"pendingPerSource" min:"1"`
	PendingBytes     Size `yaml:"pendingBytes" min:"1MB"`

	PendingBytesPerSource Size `yaml:"pendingBytesPerSource" min:"64KB"`

	RequestsPerKey Rate `yaml:"requestsPerKey"`
}

// Rate is a token bucket.
type Rate struct {
	Rate  float64 `yaml:"rate" min:"0.01"` // a second
	Burst int     `yaml:"burst" min:"1"`   // at once
}

// Intake tunes the way in: how much is written together and how long to wait
// for company, and what is done with work that stays behind.
type Intake struct {
	LedgerGroup   int           `yaml:"ledgerGroup" min:"1" max:"5000"`
	LedgerWait    time.Duration `yaml:"ledgerWait" max:"1s"`
	TaskGroup     int           `yaml:"taskGroup" min:"1" max:"5000"`
	TaskWait      time.Duration `yaml:"taskWait" max:"1s"`
	ReadGroup     int           `yaml:"readGroup" min:"1" max:"5000"`
	ReadWait      time.Duration `yaml:"readWait" max:"1s"`
	ReadLanes     int           `yaml:"readLanes" min:"1" max:"64"`
	ReadPatience  time.Duration `yaml:"readPatience" max:"1m"`
	ShelfBytes    Size          `yaml:"shelfBytes" max:"4GB"`
	FileGroup     int           `yaml:"fileGroup" min:"1" max:"5000"`
	FileWait      time.Duration `yaml:"fileWait" max:"1s"`
	FileLanes     int           `yaml:"fileLanes" min:"1" max:"64"`
	CheckInterval time.Duration `yaml:"checkInterval" min:"1ms" max:"10s"`
	Concurrency   int           `yaml:"concurrency" min:"1" max:"10000"`
	Attempts      int           `yaml:"attempts" min:"1" max:"1000"`
	TaskTimeout   time.Duration `yaml:"taskTimeout" min:"1s" max:"1h"`
	TaskRetries   int           `yaml:"taskRetries" min:"0" max:"1000"`

	BulkAfter       int           `yaml:"bulkAfter" min:"0" max:"1000000"`
	BulkConcurrency int           `yaml:"bulkConcurrency" min:"1" max:"10000"`
	BulkWait        time.Duration `yaml:"bulkWait" max:"1s"`
	UrgentWeight    int           `yaml:"urgentWeight" min:"1" max:"100"`
	ShedAfter       time.Duration `yaml:"shedAfter" min:"0s"`

	SweepEvery time.Duration `yaml:"sweepEvery" min:"100ms"`
	SweepAfter time.Duration `yaml:"sweepAfter" min:"100ms"`
	SweepAgain time.Duration `yaml:"sweepAgain" min:"100ms"`
	// ParentWait and TurnWait are how long a message waits for others, since a worker
	// first looked at it: a reply for the message it answers, and one without
	// references for those before it in its conversation.
	ParentWait  time.Duration `yaml:"parentWait" min:"0s" max:"1h"`
	TurnWait    time.Duration `yaml:"turnWait" min:"0s" max:"24h"`
	FileTimeout time.Duration `yaml:"fileTimeout" min:"100ms"`
	// GCPercent is how much the memory of web and work may grow, in percent of what
	// is in use, before garbage is collected; 0 leaves it to GOGC.
	GCPercent int `yaml:"gcPercent" min:"0" max:"10000"`
	// GCFloor is about how much memory web and work use before they collect any
	// garbage: a process that holds little would do so several times a second, and
	// messages wait meanwhile. It counts with GCPercent.
	GCFloor Size `yaml:"gcFloor"`
	// ListenMemory is about how much memory of its own, beside its program, a
	// `listen` process uses before it collects garbage harder, to which 4 MB come for
	// each mailbox; it is no limit: what is needed is used. 0 leaves it to GOMEMLIMIT.
	ListenMemory Size          `yaml:"listenMemory"`
	DrainTimeout time.Duration `yaml:"drainTimeout" min:"100ms"`
}

// Delivery tunes the way back: how answers are tried, and for how long.
type Delivery struct {
	SendTimeout time.Duration `yaml:"sendTimeout" min:"1s" max:"10m"`
	FirstRetry  time.Duration `yaml:"firstRetry" min:"100ms"`
	MostRetry   time.Duration `yaml:"mostRetry" min:"1s"`
	GiveUpAfter time.Duration `yaml:"giveUpAfter" min:"1m"`
	LeastTries  int           `yaml:"leastTries" min:"1" max:"1000"`
	Attempts    int           `yaml:"attempts" min:"3" max:"1000"` // the second is made together, see workers/perils.go
	SweepEvery  time.Duration `yaml:"sweepEvery" min:"100ms"`
	SweepAfter  time.Duration `yaml:"sweepAfter" min:"100ms"`
	SweepAgain  time.Duration `yaml:"sweepAgain" min:"100ms"`
	AutoPerDay  int           `yaml:"autoPerDay" min:"0" max:"1000"`
	Concurrency int           `yaml:"concurrency" min:"1" max:"1000"`
}

// Health is how what we depend on is watched.
type Health struct {
	Every   time.Duration `yaml:"every" min:"100ms" max:"10m"`
	Timeout time.Duration `yaml:"timeout" min:"100ms" max:"1m"`
}

// Retention is how long what is finished is kept; 0 is forever.
type Retention struct {
	Drafts    time.Duration `yaml:"drafts"`
	Ledger    time.Duration `yaml:"ledger"`
	Raw       time.Duration `yaml:"raw"`
	Events    time.Duration `yaml:"events"`
	Revisions time.Duration `yaml:"revisions"`
	Orphans   time.Duration `yaml:"orphans"` // at least an hour

	Every        time.Duration `yaml:"every" min:"1s"`
	OrphansEvery time.Duration `yaml:"orphansEvery" min:"1m"`
	Batch        int           `yaml:"batch" min:"10" max:"10000"`
	Pause        time.Duration `yaml:"pause" max:"1m"`
	Share        float64       `yaml:"share" min:"0.01" max:"1"`
	ReadShare    float64       `yaml:"readShare" min:"0.01" max:"1"`
	Temp         string        `yaml:"temp"` // empty: the system's
}

// Traces is where spans go.
type Traces struct {
	Endpoint string            `yaml:"endpoint"` // of OTLP over HTTP; empty: nothing is traced
	Headers  map[string]Secret `yaml:"headers"`
	Ratio    float64           `yaml:"ratio" min:"0" max:"1"`
	Service  string            `yaml:"service"`
	Timeout  time.Duration     `yaml:"timeout" min:"100ms" max:"1m"`
	Every    time.Duration     `yaml:"every" min:"10ms" max:"1m"`
	Queue    int               `yaml:"queue" min:"1" max:"1000000"` // spans
}

// Calendar is when somebody is there.
type Calendar struct {
	Name     string   `yaml:"name"`
	TimeZone string   `yaml:"timezone"` // IANA name
	Hours    Week     `yaml:"hours"`
	Holidays Holidays `yaml:"holidays"`
}

// Week is the opening windows. A day's own windows win over weekdays or
// weekend, and those over daily; an empty list closes.
type Week struct {
	Daily     []hours.Window `yaml:"daily"`
	Weekdays  []hours.Window `yaml:"weekdays"` // Monday to Friday
	Weekend   []hours.Window `yaml:"weekend"`
	Monday    []hours.Window `yaml:"monday"`
	Tuesday   []hours.Window `yaml:"tuesday"`
	Wednesday []hours.Window `yaml:"wednesday"`
	Thursday  []hours.Window `yaml:"thursday"`
	Friday    []hours.Window `yaml:"friday"`
	Saturday  []hours.Window `yaml:"saturday"`
	Sunday    []hours.Window `yaml:"sunday"`
}

// Holidays are the days that differ. A day is "2026-12-24", or "12-24" for
// every year.
type Holidays struct {
	Region   string                    `yaml:"region"` // as [hours.Regions] lists them; empty: none
	Dates    map[string]string         `yaml:"dates"`  // days closed, and why
	HalfDays map[string][]hours.Window `yaml:"halfDays"`
}

// SLA is a promise in opening hours. The first whose condition matches counts.
type SLA struct {
	Name     string          `yaml:"name"`
	When     Condition       `yaml:"when"`
	Calendar string          `yaml:"calendar"` // empty: the team's
	Targets  Targets         `yaml:"targets"`
	PauseOn  []desk.Category `yaml:"pauseOn"`
}

// Targets are what an SLA measures.
type Targets struct {
	FirstResponse Target `yaml:"firstResponse"`
	NextResponse  Target `yaml:"nextResponse"`
	Resolution    Target `yaml:"resolution"`
}

// Target is a time of opening hours by priority; 0 is none. In the file it is
// one duration for all, or a mapping.
type Target struct {
	Default time.Duration `yaml:"default"`
	Low     time.Duration `yaml:"low"`
	Medium  time.Duration `yaml:"medium"`
	High    time.Duration `yaml:"high"`
	Urgent  time.Duration `yaml:"urgent"`
}

// Rule is a condition and what is then done.
type Rule struct {
	Name string       `yaml:"name"`
	On   desk.Trigger `yaml:"on"` // empty: created
	When Condition    `yaml:"when"`
	Then desk.Action  `yaml:"then"`
	Stop bool         `yaml:"stop"`
}

// Route sends new tickets to a team; the first that matches wins.
type Route struct {
	Name string      `yaml:"name"`
	When Condition   `yaml:"when"`
	Team desk.TeamID `yaml:"team"`
}

// Source is one configured instance of a channel. The channel's own settings
// stand under a key with the channel's name.
type Source struct {
	Name      string       `yaml:"name"`
	Channel   desk.Channel `yaml:"channel"`
	Separate  bool         `yaml:"separate"`
	Team      desk.TeamID  `yaml:"team"`
	Queue     string       `yaml:"queue" words:"normal,urgent,bulk"` // empty: normal
	Addresses []string     `yaml:"addresses"`
	Block     Block        `yaml:"-"`
}
