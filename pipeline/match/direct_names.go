package match

// The names of an Env that direct reads, by type. A name that is missing here is
// read by the virtual machine.

var texts = map[string]words{
	"source": func(e *Env) string { return e.Source }, "channel": func(e *Env) string { return e.Channel },
	"subject": func(e *Env) string { return e.Subject }, "text": func(e *Env) string { return e.Text },
	"from": func(e *Env) string { return e.From }, "fromName": func(e *Env) string { return e.FromName },
	"fromDomain": func(e *Env) string { return e.FromDomain }, "priority": func(e *Env) string { return e.Priority },
	"type": func(e *Env) string { return e.Type }, "status": func(e *Env) string { return e.Status },
	"title": func(e *Env) string { return e.Title }, "description": func(e *Env) string { return e.Description },
	"team": func(e *Env) string { return e.Team }, "language": func(e *Env) string { return e.Language },

	"customer.id": func(e *Env) string { return e.Customer.ID }, "customer.name": func(e *Env) string { return e.Customer.Name },
	"customer.email": func(e *Env) string { return e.Customer.Email }, "customer.account": func(e *Env) string { return e.Customer.Account },
	"customer.accountDomain": func(e *Env) string { return e.Customer.AccountDomain },
	"customer.serviceLevel":  func(e *Env) string { return e.Customer.ServiceLevel },

	"account.id": func(e *Env) string { return e.Account.ID }, "account.name": func(e *Env) string { return e.Account.Name },
	"account.domain": func(e *Env) string { return e.Account.Domain }, "account.serviceLevel": func(e *Env) string { return e.Account.ServiceLevel },
}

var truths = map[string]test{
	"isReply": func(e *Env) bool { return e.IsReply }, "isNew": func(e *Env) bool { return e.IsNew },
	"auto": func(e *Env) bool { return e.Auto }, "inHours": func(e *Env) bool { return e.InHours },
	"customer.vip": func(e *Env) bool { return e.Customer.VIP },
}

var counts = map[string]count{
	"attachments": func(e *Env) int { return e.Attachments }, "hour": func(e *Env) int { return e.Hour },
	"weekday": func(e *Env) int { return e.Weekday },
}

var lists = map[string]list{
	"to": func(e *Env) []string { return e.To }, "cc": func(e *Env) []string { return e.CC },
	"tags": func(e *Env) []string { return e.Tags }, "attachmentNames": func(e *Env) []string { return e.AttachmentNames },
}
