package main

import (
	"crypto/tls"
	"reflect"
	"testing"

	"switchboard/configs"
	"switchboard/workers/broker"
)

// The keys beside redis.mode say all that redis.url can.
func TestRedisKeysAndURLSayTheSame(t *testing.T) {
	env := map[string]string{"P": "one", "S": "two"}
	options := func(redis string) broker.Options {
		t.Helper()
		c, err := configs.Parse("redis.yaml", []byte("redis: "+redis+"\n"), func(name string) (string, bool) { v, ok := env[name]; return v, ok })
		if err != nil {
			t.Fatal(err)
		}
		o, err := brokerOptions(c.Redis, "data")
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	keys := options(`{ mode: sentinel, addrs: ["a:26379", "b:26379"], masterName: queue, username: u, password: "${P}", sentinelUsername: s, sentinelPassword: "${S}", tls: true, db: 3 }`)
	url := options(`{ url: "rediss-sentinel://u:${P}@a,b/queue/3?sentinel_user=s&sentinel_password=${S}" }`)
	if !reflect.DeepEqual(keys, url) {
		t.Errorf("keys: %+v\nurl: %+v", keys, url)
	}
	want := broker.Options{Mode: broker.Sentinel, Addrs: []string{"a:26379", "b:26379"}, MasterName: "queue", Username: "u", Password: "one",
		SentinelUsername: "s", SentinelPassword: "two", TLS: &tls.Config{MinVersion: tls.VersionTLS12}, DB: 3, Dir: "data"}
	if !reflect.DeepEqual(keys, want) {
		t.Errorf("got %+v, want %+v", keys, want)
	}
}
