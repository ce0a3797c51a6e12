package place

import (
	"fmt"
	"net/netip"

	"github.com/oschwald/maxminddb-golang/v2"
)

// Places is an open database. It is safe for concurrent use; a nil one knows nothing.
type Places struct{ reader *maxminddb.Reader }

// Open opens a database file. The file is mapped into memory: put a newer one in its
// place under the same name (rename(2)), never write into it, and restart. The error
// says that it cannot be read, or is none.
func Open(file string) (*Places, error) {
	reader, err := maxminddb.Open(file)
	if err != nil {
		return nil, fmt.Errorf("place: %s: %w", file, err)
	}
	return &Places{reader: reader}, nil
}

// record is what is read of an entry: English names, as everything here is in English.
type record struct {
	City    named `maxminddb:"city"`
	Country named `maxminddb:"country"`
	// RegisteredCountry is where the network's owner is, for networks that are nowhere
	// in particular.
	RegisteredCountry named `maxminddb:"registered_country"`
}

type named struct {
	Names struct {
		English string `maxminddb:"en"`
	} `maxminddb:"names"`
}

// Of returns "Bern, Switzerland", or as much of it as is known; "" for nothing, and for
// what is no address.
func (p *Places) Of(ip string) string {
	address, err := netip.ParseAddr(ip)
	if p == nil || err != nil {
		return ""
	}
	var r record
	if p.reader.Lookup(address.Unmap()).Decode(&r) != nil {
		return "" // a broken entry is as good as none
	}
	city, country := r.City.Names.English, r.Country.Names.English
	if country == "" {
		country = r.RegisteredCountry.Names.English
	}
	if city == "" || country == "" {
		return city + country
	}
	return city + ", " + country
}

// Close gives the file back. Nobody may ask any more.
func (p *Places) Close() error {
	if p == nil {
		return nil
	}
	return p.reader.Close()
}
