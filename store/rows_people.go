package store

import (
	"time"

	"switchboard/pipeline/desk"
)

// customerRow is a row of customers. ExternalID is null when there is none, so
// that it can be unique.
type customerRow struct {
	ID           string `gorm:"primaryKey"`
	ExternalID   *string
	Name         string
	Email        string
	Phone        string
	AccountID    string
	ServiceLevel string
	VIP          bool `gorm:"column:vip"`
	Language     string
	TimeZone     string
	Preferences  string
	CreatedAt    time.Time `gorm:"autoCreateTime:false"`
	UpdatedAt    time.Time `gorm:"autoUpdateTime:false"`
	MergedInto   string
}

func (customerRow) TableName() string { return "customers" }

func newCustomerRow(c *desk.Customer) (customerRow, error) {
	var p packer
	row := customerRow{
		ID: string(c.ID), ExternalID: orNull(key(c.ExternalID)), Name: desk.Clean(c.Name), Email: desk.Clean(c.Email),
		Phone: desk.Clean(c.Phone), AccountID: string(c.AccountID), ServiceLevel: desk.Clean(c.ServiceLevel), VIP: c.VIP,
		Language: desk.Clean(c.Language), TimeZone: desk.Clean(c.TimeZone), Preferences: p.fields(c.Preferences),
		CreatedAt: micro(c.CreatedAt), UpdatedAt: micro(c.UpdatedAt),
	}
	return row, p.err
}

func (r *customerRow) desk() (desk.Customer, error) {
	var u unpacker
	c := desk.Customer{
		ID: desk.CustomerID(r.ID), ExternalID: orEmpty(r.ExternalID), Name: r.Name, Email: r.Email, Phone: r.Phone,
		AccountID: desk.AccountID(r.AccountID), ServiceLevel: r.ServiceLevel, VIP: r.VIP, Language: r.Language,
		TimeZone: r.TimeZone, CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
	}
	u.fields(r.Preferences, &c.Preferences)
	return c, u.err
}

// identityRow is one handle of a customer.
type identityRow struct {
	Kind       string `gorm:"primaryKey"`
	Handle     string `gorm:"primaryKey"`
	CustomerID string
	Verified   bool
}

func (identityRow) TableName() string { return "identities" }

// accountRow is a customer's company. Domain is null when there is none.
type accountRow struct {
	ID           string `gorm:"primaryKey"`
	Name         string
	Domain       *string
	ServiceLevel string
	CreatedAt    time.Time `gorm:"autoCreateTime:false"`
}

func (accountRow) TableName() string { return "accounts" }

func newAccountRow(a *desk.Account) accountRow {
	return accountRow{ID: string(a.ID), Name: desk.Clean(a.Name), Domain: orNull(key(a.Domain)),
		ServiceLevel: desk.Clean(a.ServiceLevel), CreatedAt: micro(a.CreatedAt)}
}

func (r *accountRow) desk() desk.Account {
	return desk.Account{ID: desk.AccountID(r.ID), Name: r.Name, Domain: orEmpty(r.Domain), ServiceLevel: r.ServiceLevel,
		CreatedAt: r.CreatedAt.UTC()}
}

// teamRow is a team that was named on first use.
type teamRow struct {
	ID   string `gorm:"primaryKey"`
	Name string
	Data string
}

func (teamRow) TableName() string { return "teams" }

func newTeamRow(t *desk.Team) (teamRow, error) {
	var p packer
	row := teamRow{ID: string(t.ID), Name: desk.Clean(t.Name), Data: p.pack(t)}
	return row, p.err
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
