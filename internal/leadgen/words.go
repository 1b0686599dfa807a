package leadgen

// script is a stock of given and family names of one writing system. Family names are plain words, so that no pair is a
// person.
type script struct{ first, last []string }

// scripts starts with Latin, which half of the leads use.
var scripts = []script{
	{
		first: []string{"Ada", "Bruno", "Clara", "Dario", "Edda", "Felix", "Greta", "Hugo", "Ines", "Jonas", "Kira", "Leo", "Mara", "Nils", "Olga", "Paul", "Rosa", "Sven", "Tara", "Uwe", "Vera", "Wim", "Xenia", "Yara", "Zoe"},
		last: []string{"Amberfield", "Birchwater", "Cloverhill", "Dustlantern", "Elmgate", "Foxglove", "Granitebrook", "Hazelmoor", "Inkwell", "Juniperlane",
			"Kettlestone", "Larkspur", "Mossbank", "Nightorchard", "Oatmeadow", "Pebbleford", "Quillfeather", "Ravenloft", "Saltmarsh", "Thistledown", "Umberland", "Velvetmoss", "Willowrun", "Yarrowdale"},
	},
	{ // accents, ligatures, letters that change length with case
		first: []string{"Zoë", "José", "François", "Åsa", "Jürgen", "Łucja", "Þóra", "Çağla", "İpek", "Siân", "Ngọc", "Cafe\u0301lia"},
		last:  []string{"Straßenlaterne", "Côtebleue", "Østersund", "Žlutýkámen", "Árvíztűrő", "d'Épices", "Gökyüzü", "Œillet-Rosé", "Ǆelen", "Đồngxanh", "Ñandubay", "von der Käseglocke"},
	},
	{first: []string{"Ανεμώνη", "Ίρις", "Φοίβος", "Δάφνη"}, last: []string{"Πετρόμυλος", "Θαλασσινός", "Κερασιά", "Ασημόκλαδος"}},
	{first: []string{"Мира", "Лев", "Заря", "Ёлка", "Світлана"}, last: []string{"Подорожник", "Облакова", "Щавелев", "Їжаченко", "Снегирь"}},
	{first: []string{"نور", "ورد", "سَما", "ياسمين"}, last: []string{"زيتونة", "بحر\u200cالرمل", "قمر الدين", "ريحان"}},
	{first: []string{"אורן", "גפן", "שָׁקֵד", "ים"}, last: []string{"זית־ירוק", "אבן חול", "ענן", "רימון"}},
	{first: []string{"小雨", "晨", "云朵", "𠮷"}, last: []string{"青石", "松果", "白鹿溪", "竹"}},
	{first: []string{"さくら", "ヒカル", "ﾐﾄﾞﾘ", "月"}, last: []string{"青葉原", "白樺", "ヶ岳", "小石川辺"}},
	{first: []string{"하늘", "이슬", "봄"}, last: []string{"푸른솔", "달빛", "조약돌"}},
	{first: []string{"किरण", "ज्योति", "मेघा"}, last: []string{"नीलकमल", "चंदनवन", "क्षितिज"}},
	{first: []string{"ฟ้าใส", "ดาว", "น้ำผึ้ง"}, last: []string{"ใบไม้เขียว", "ทรายแก้ว"}},
	{first: []string{"ნისლი", "Արև", "አበባ"}, last: []string{"თეთრიქვა", "Ծիածան", "ሰማይ"}},
}

// adornments are formats with one %s.
var adornments = []string{
	"%s 🦜", "%s 👩🏽\u200d🚀", "%s 🏳️\u200d🌈", `"%s"`, "%s; Jr.", "%s, Dr.", "\u202b%s\u202c", "%s (they/them)", "%s & %[1]s", `%s \ %[1]s`, "%s\u00a0II", "<%s>", "%s 100%%",
}

var (
	companyFirst  = []string{"Copper", "Lunar", "Harbour", "Velvet", "Northern", "Quiet", "Amber", "Paper", "Granite", "Seventh", "Lemon", "Tidal", "Cobalt", "Wooden"}
	companySecond = []string{"Lantern", "Compass", "Orchard", "Kettle", "Bridge", "Falcon", "Meadow", "Anvil", "Harvest", "Signal", "Teapot", "Feather", "Mill", "Comet"}
	companyKind   = []string{"Works", "Supply", "Studio", "Labs", "Cooperative", "Logistics", "Bakery", "Analytics", "Press", "Gardens"}
	jobs          = []string{"Engineer", "Head of Purchasing", "Bookkeeper", "Directrice générale", "Vertriebsleiter", "Gardener", "Data Analyst", "CTO", "工程师", "Marketing & Sales", "R&D / Prototyping", "Baker", "Archivist", "مديرة المبيعات"}

	// domains are reserved for documentation by RFC 2606 section 3.
	domains = []string{"example.com", "example.org", "example.net"}
	// phones are formats with one number under 100, from ranges that are kept free for fiction: 555-01xx in North America,
	// 020 7946 0xxx of Ofcom, 030 23125 xxx of the Bundesnetzagentur.
	phones = []string{"+1 202 555 01%02d", "+44 20 7946 09%02d", "+49 30 231250%02d", "(202) 555-01%02d"}
	// localWords are ASCII, since RFC 2822 knows no other letters in an address.
	localWords = []string{"amber", "birch", "clover", "dust", "elm", "fox", "granite", "hazel", "ink", "juniper", "kettle", "lark", "moss", "night", "oat", "pebble", "quill", "raven", "salt", "thistle"}
	oddMarks   = []string{"!", "#", "$", "%", "&", "*", "/", "=", "?", "^", "`", "{", "|", "}", "~", "'", "--", "+"}
)

type place struct{ city, country string }

var places = []place{
	{"Berlin", "Germany"}, {"Lyon", "France"}, {"São Paulo", "Brazil"}, {"Kraków", "Poland"}, {"İzmir", "Türkiye"}, {"東京", "Japan"}, {"القاهرة", "Egypt"},
	{"Αθήνα", "Greece"}, {"Reykjavík", "Iceland"}, {"Nairobi", "Kenya"}, {"서울", "South Korea"}, {"Montréal", "Canada"}, {"Hồ Chí Minh", "Vietnam"}, {"St. John's", "Canada"},
}
