package configs

import (
	"time"

	"switchboard/pipeline/desk"
)

// Default returns the config of an installation without a file: everything on
// this machine, one team, and the API as the only source. The result is the
// caller's to change; after a change of what the policy is made of, call
// [Config.Compile].
func Default() *Config {
	c := defaults()
	if err := c.Compile(); err != nil {
		panic("configs: the defaults do not compile: " + err.Error())
	}
	return c
}

const day = 24 * time.Hour

func defaults() *Config {
	return &Config{
		Server:   Server{Addr: "127.0.0.1:8080", ReadTimeout: 30 * time.Second, ShutdownTimeout: 20 * time.Second, StallTimeout: 10 * time.Minute},
		Database: Database{MaxConns: 12, Timeout: 30 * time.Second, IdleTimeout: 5 * time.Second, StartPatience: 10 * time.Minute},
		Redis:    Redis{Mode: "auto"},
		Blobs:    Blobs{KeepBytes: 64 * KB},
		Log:      Log{Level: "info", Format: "text"},
		Limits: Limits{
			BodyBytes: MB, MessageBytes: 50 * MB, TextBytes: MB, Attachments: 500,
			PartsPerMail: 500, PartDepth: 20, HeaderBytes: 256 * KB, Pending: 20000,
			PendingPerSource: 10000, PendingBytes: 256 * MB, PendingBytesPerSource: 64 * MB,
			RequestsPerKey: Rate{Rate: 50, Burst: 100},
		},
		Intake: Intake{
			LedgerGroup: 128, LedgerWait: time.Millisecond,
			TaskGroup: 256, TaskWait: 15 * time.Millisecond,
			ReadGroup: 256, ReadWait: 0, ReadLanes: 4, ReadPatience: 500 * time.Millisecond, ShelfBytes: 64 * MB,
			FileGroup: 256, FileWait: 0, FileLanes: 2,
			CheckInterval: 10 * time.Millisecond, Concurrency: 32, Attempts: 5,
			TaskTimeout: 2 * time.Minute, TaskRetries: 10,
			BulkAfter: 1000, BulkConcurrency: 8, BulkWait: 30 * time.Millisecond, UrgentWeight: 4,
			SweepEvery: time.Second, SweepAfter: 3 * time.Second, SweepAgain: 60 * time.Second,
			ParentWait: 30 * time.Second, TurnWait: 10 * time.Minute,
			FileTimeout: 10 * time.Second, GCPercent: 400, GCFloor: 128 * MB, ListenMemory: 26 * MB, DrainTimeout: 20 * time.Second,
		},
		Delivery: Delivery{
			SendTimeout: time.Minute, FirstRetry: 5 * time.Second, MostRetry: time.Hour, GiveUpAfter: 24 * time.Hour, LeastTries: 5, Attempts: 5,
			SweepEvery: 2 * time.Second, SweepAfter: 5 * time.Second, SweepAgain: 60 * time.Second, AutoPerDay: 5, Concurrency: 32,
		},
		Operators: Operators{
			Accounts: []Operator{}, Session: 12 * time.Hour, PerAddress: Rate{Rate: 0.2, Burst: 10}, PerName: Rate{Rate: 0.2, Burst: 20},
			TrustedProxies: []string{},
		},
		Health: Health{Every: 2 * time.Second, Timeout: 2 * time.Second},
		Canary: Canary{Timeout: 30 * time.Second, Keep: 10 * time.Minute},
		Traces: Traces{Headers: map[string]Secret{}, Ratio: 0.1, Service: "switchboard", Timeout: 10 * time.Second, Every: 5 * time.Second, Queue: 8192},
		Retention: Retention{Drafts: 90 * day, Ledger: 400 * day, Orphans: day, Every: 10 * time.Minute, OrphansEvery: day,
			Batch: 500, Pause: 5 * time.Millisecond, Share: 0.25, ReadShare: 0.5},
		Threading:     desk.DefaultThreading(),
		Statuses:      desk.DefaultStatuses(),
		Types:         desk.DefaultTypes(),
		Fields:        []desk.Field{},
		ServiceLevels: map[string]desk.Priority{},
		PublicDomains: publicDomains(),
		Teams:         []desk.Team{{ID: "support", Name: "Support", Strategy: desk.Manual}},
	}
}

// publicDomains are mail providers anybody can have an address of: their users
// do not belong to one company.
func publicDomains() []string {
	return []string{
		"gmail.com", "googlemail.com", "outlook.com", "outlook.de", "hotmail.com", "hotmail.co.uk", "hotmail.de",
		"hotmail.fr", "hotmail.it", "live.com", "live.de", "live.nl", "msn.com", "yahoo.com", "yahoo.co.uk",
		"yahoo.co.in", "yahoo.co.jp", "yahoo.de", "yahoo.es", "yahoo.fr", "yahoo.it", "ymail.com", "rocketmail.com",
		"aol.com", "icloud.com", "me.com", "mac.com", "proton.me", "protonmail.com", "pm.me", "tutanota.com",
		"tuta.io", "gmx.at", "gmx.ch", "gmx.com", "gmx.de", "gmx.net", "web.de", "freenet.de", "t-online.de",
		"arcor.de", "posteo.de", "mailbox.org", "mail.com", "zoho.com", "fastmail.com", "fastmail.fm", "hey.com",
		"yandex.com", "yandex.ru", "mail.ru", "bk.ru", "inbox.ru", "list.ru", "rambler.ru", "orange.fr",
		"wanadoo.fr", "free.fr", "laposte.net", "sfr.fr", "libero.it", "virgilio.it", "tiscali.it", "alice.it",
		"btinternet.com", "sky.com", "virginmedia.com", "comcast.net", "verizon.net", "att.net", "sbcglobal.net",
		"cox.net", "charter.net", "bellsouth.net", "earthlink.net", "rogers.com", "shaw.ca", "sympatico.ca",
		"bigpond.com", "optusnet.com.au", "xtra.co.nz", "qq.com", "163.com", "126.com", "sina.com", "sohu.com",
		"foxmail.com", "naver.com", "daum.net", "hanmail.net", "docomo.ne.jp", "rediffmail.com", "uol.com.br",
		"bol.com.br", "terra.com.br", "ig.com.br", "seznam.cz", "wp.pl", "o2.pl", "onet.pl", "interia.pl",
		"ziggo.nl", "kpnmail.nl", "bluewin.ch", "telenet.be", "skynet.be", "telia.com", "abv.bg", "ukr.net",
	}
}
