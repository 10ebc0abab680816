package desk

// longClocks appends clocks as encoding/json does.
func (w *jsonWriter) longClocks(clocks []Clock) {
	w.list(len(clocks), func(i int) {
		c := &clocks[i]
		w.open()
		w.text("metric", string(c.Metric))
		w.text("sla", c.SLA)
		w.text("calendar", c.Calendar)
		w.key("target").number(int64(c.Target))
		w.text("state", string(c.State))
		w.key("startedAt").instant(c.StartedAt)
		w.time("runningAt", c.RunningAt)
		w.key("used").number(int64(c.Used))
		w.time("dueAt", c.DueAt)
		w.time("stoppedAt", c.StoppedAt)
		w.time("breachedAt", c.BreachedAt)
		w.close()
	})
}

func (r *jsonReader) longClock(c *Clock) bool {
	return r.object(func(key string) bool {
		switch key {
		case "metric":
			return r.string((*string)(&c.Metric))
		case "sla":
			return r.string(&c.SLA)
		case "calendar":
			return r.string(&c.Calendar)
		case "target":
			return r.number((*int64)(&c.Target))
		case "state":
			return r.string((*string)(&c.State))
		case "startedAt":
			return r.time(&c.StartedAt)
		case "runningAt":
			return r.time(&c.RunningAt)
		case "used":
			return r.number((*int64)(&c.Used))
		case "dueAt":
			return r.time(&c.DueAt)
		case "stoppedAt":
			return r.time(&c.StoppedAt)
		case "breachedAt":
			return r.time(&c.BreachedAt)
		}
		return false
	})
}
