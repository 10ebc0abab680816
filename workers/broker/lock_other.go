//go:build !unix

package broker

import "os"

// tryLock cannot lock here: such systems have no redis-server to spawn either,
// and two embedded queues share nothing but broker.json.
func tryLock(path string) (file *os.File, free bool, err error) {
	file, err = os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	return file, err == nil, err
}
