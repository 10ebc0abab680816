package broker

// Own reports whether this process runs the queue itself: then nobody else used
// it before, and it may have forgotten what a crash of ours cut off.
func (b *Broker) Own() bool { return b.local != nil }
