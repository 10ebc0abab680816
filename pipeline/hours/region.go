package hours

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rickar/cal/v2"
	"github.com/rickar/cal/v2/ar"
	"github.com/rickar/cal/v2/at"
	"github.com/rickar/cal/v2/au"
	"github.com/rickar/cal/v2/be"
	"github.com/rickar/cal/v2/bg"
	"github.com/rickar/cal/v2/br"
	"github.com/rickar/cal/v2/ca"
	"github.com/rickar/cal/v2/ch"
	"github.com/rickar/cal/v2/cz"
	"github.com/rickar/cal/v2/de"
	"github.com/rickar/cal/v2/dk"
	"github.com/rickar/cal/v2/es"
	"github.com/rickar/cal/v2/fr"
	"github.com/rickar/cal/v2/gb"
	"github.com/rickar/cal/v2/gr"
	"github.com/rickar/cal/v2/hr"
	"github.com/rickar/cal/v2/ie"
	"github.com/rickar/cal/v2/it"
	"github.com/rickar/cal/v2/jp"
	"github.com/rickar/cal/v2/lt"
	"github.com/rickar/cal/v2/lv"
	"github.com/rickar/cal/v2/nl"
	"github.com/rickar/cal/v2/no"
	"github.com/rickar/cal/v2/nz"
	"github.com/rickar/cal/v2/pl"
	"github.com/rickar/cal/v2/ro"
	"github.com/rickar/cal/v2/se"
	"github.com/rickar/cal/v2/si"
	"github.com/rickar/cal/v2/sk"
	"github.com/rickar/cal/v2/ua"
	"github.com/rickar/cal/v2/us"
	"github.com/rickar/cal/v2/za"
)

// regions maps ISO 3166-1 codes, and ISO 3166-2 codes of some parts of
// countries, to holiday rules. Read-only.
var regions = map[string][]*cal.Holiday{
	"ar": ar.Holidays, "at": at.Holidays, "be": be.Holidays, "bg": bg.Holidays, "br": br.Holidays,
	"ca": ca.Holidays, "ch": ch.Holidays, "cz": cz.Holidays, "de": de.Holidays, "dk": dk.Holidays,
	"es": es.Holidays, "fr": fr.Holidays, "gb": gb.Holidays, "gr": gr.Holidays, "hr": hr.Holidays,
	"ie": ie.Holidays, "it": it.Holidays, "jp": jp.Holidays, "lt": lt.Holidays, "lv": lv.Holidays,
	"nl": nl.Holidays, "no": no.Holidays, "nz": nz.Holidays, "pl": pl.Holidays, "ro": ro.Holidays,
	"se": se.Holidays, "si": si.Holidays, "sk": sk.Holidays, "ua": ua.Holidays, "us": us.Holidays,
	"za": za.Holidays,

	"au-act": au.HolidaysACT, "au-nsw": au.HolidaysNSW, "au-nt": au.HolidaysNT, "au-qld": au.HolidaysQLD,
	"au-sa": au.HolidaysSA, "au-tas": au.HolidaysTAS, "au-vic": au.HolidaysVIC, "au-wa": au.HolidaysWA,

	"ch-be": ch.HolidaysBE, "ch-bs": ch.HolidaysBS, "ch-ge": ch.HolidaysGE, "ch-lu": ch.HolidaysLU,
	"ch-sg": ch.HolidaysSG, "ch-ti": ch.HolidaysTI, "ch-vd": ch.HolidaysVD, "ch-zg": ch.HolidaysZG,
	"ch-zh": ch.HolidaysZH,

	"de-bb": de.HolidaysBB, "de-be": de.HolidaysBE, "de-bw": de.HolidaysBW, "de-by": de.HolidaysBY,
	"de-hb": de.HolidaysHB, "de-he": de.HolidaysHE, "de-hh": de.HolidaysHH, "de-mv": de.HolidaysMV,
	"de-ni": de.HolidaysNI, "de-nw": de.HolidaysNW, "de-rp": de.HolidaysRP, "de-sh": de.HolidaysSH,
	"de-sl": de.HolidaysSL, "de-sn": de.HolidaysSN, "de-st": de.HolidaysST, "de-th": de.HolidaysTH,
}

// Years outside these have no holidays by rule, which bounds the cache.
const firstYear, lastYear = 1900, 2200

// pinZone makes the holiday rules count in UTC. Left alone they count in the
// machine's zone, where midnight may be missing and the day before results.
var pinZone = sync.OnceFunc(func() { cal.DefaultLoc = time.UTC })

// counting serialises the rules: some of them (Japan's equinoxes) note the
// day they found in the rule itself.
var counting sync.Mutex

// Regions returns the codes Region knows, sorted.
func Regions() []string { return slices.Sorted(maps.Keys(regions)) }

// Region returns the public holidays of a country ("de", "us") or a part of
// one ("de-by") for Calendar.HolidaysOf. A holiday observed on another day
// because it falls on a weekend closes both days. The function keeps each
// year it computed and is safe for concurrent use.
func Region(code string) (func(Date) (name string, closed bool), error) {
	rules, known := regions[strings.ToLower(strings.TrimSpace(code))]
	if !known {
		return nil, fmt.Errorf("hours: no holidays known for region %q; known are %s",
			code, strings.Join(Regions(), ", "))
	}
	pinZone()
	years := new([lastYear - firstYear + 1]atomic.Pointer[map[Date]string])
	return func(date Date) (string, bool) {
		if date.Year < firstYear || date.Year > lastYear {
			return "", false
		}
		slot := &years[date.Year-firstYear]
		days := slot.Load()
		if days == nil {
			computed := holidaysIn(rules, date.Year)
			days = &computed // two goroutines may both compute; the results are equal
			slot.Store(days)
		}
		name, closed := (*days)[date]
		return name, closed
	}, nil
}

// holidaysIn computes the days of one year. The years beside it matter: New
// Year's Day on a Saturday may be observed on 31 December.
func holidaysIn(rules []*cal.Holiday, year int) map[Date]string {
	counting.Lock()
	defer counting.Unlock()
	days := make(map[Date]string, len(rules))
	for _, near := range []int{year - 1, year, year + 1} {
		for _, rule := range rules {
			actual, observed := rule.Calc(near)
			if !observed.IsZero() && observed.Year() == year && !observed.Equal(actual) {
				if _, named := days[DateOf(observed)]; !named {
					days[DateOf(observed)] = rule.Name + " (observed)"
				}
			}
			if !actual.IsZero() && actual.Year() == year {
				days[DateOf(actual)] = rule.Name
			}
		}
	}
	return days
}
