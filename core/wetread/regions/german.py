"""German words and sentences of region descriptions; targets keep the name of the catalogue."""

from __future__ import annotations

from wetread.regions.language import Language, Words

_CONTRAST = {
    "density/higher": "hyperdens", "density/equal": "isodens", "density/lower": "hypodens",
    "intensity/higher": "hyperintens", "intensity/equal": "isointens", "intensity/lower": "hypointens",
    "echo/higher": "hyperechogen", "echo/equal": "isoechogen", "echo/lower": "hypoechogen", "echo/void": "echofrei",
    "opacity/higher": "eine Verschattung", "opacity/equal": "gleich transparent", "opacity/lower": "eine Aufhellung",
    "uptake/higher": "stärker anreichernd", "uptake/equal": "gleich anreichernd",
    "uptake/lower": "schwächer anreichernd",
    "reflectivity/higher": "hyperreflektiv", "reflectivity/equal": "isoreflektiv",
    "reflectivity/lower": "hyporeflektiv",
    "brightness/higher": "heller", "brightness/equal": "gleich hell", "brightness/lower": "dunkler",
}  # fmt: skip

GERMAN = Language(
    code="de",
    words=Words(
        colour={
            "yellow": "Gelb", "orange": "Orange", "red": "Rot", "pink": "Rosa", "purple": "Violett", "blue": "Blau",
            "cyan": "Cyan", "green": "Grün", "white": "Weiß", "brown": "Braun",
        },
        size={"tiny": "winzig", "small": "klein", "medium-sized": "mittelgroß", "large": "groß"},
        shape={
            "point-like": "punktförmig", "round": "rund", "oval": "oval", "elongated": "länglich", "flat": "flach",
            "irregular": "unregelmäßig", "ring-shaped": "ringförmig", "multi-focal": "mehrherdig",
        },
        place={
            "upper left": "oben links", "upper middle": "oben in der Mitte", "upper right": "oben rechts",
            "middle left": "links in der Mitte", "centre": "im Zentrum", "middle right": "rechts in der Mitte",
            "lower left": "unten links", "lower middle": "unten in der Mitte", "lower right": "unten rechts",
        },
        modality={
            "CT": "CT", "MR": "MR", "PET": "PET", "X-ray": "Röntgen", "mammography": "Mammographie",
            "ultrasound": "Ultraschall", "pathology": "Pathologie", "microscopy": "Mikroskopie",
            "dermoscopy": "Dermatoskopie", "endoscopy": "Endoskopie", "fundus": "Fundus", "OCT": "OCT",
            "photograph": "Foto", "ECG": "EKG",
        },
        border={"smooth": "glatt", "lobulated": "gelappt", "spiculated": "spikuliert"},
        contrast=_CONTRAST,
        colour_name={
            "black": "schwarz", "dark gray": "dunkelgrau", "gray": "grau", "light gray": "hellgrau", "white": "weiß",
            "red": "rot", "dark red": "dunkelrot", "orange": "orange", "pink": "rosa", "magenta": "magenta",
            "purple": "violett", "light purple": "hellviolett", "brown": "braun", "light brown": "hellbraun",
            "dark brown": "dunkelbraun", "yellow": "gelb", "beige": "beige", "green": "grün", "blue": "blau",
            "dark blue": "dunkelblau", "blue-gray": "blaugrau",
        },
        patient={
            "left": "links", "right": "rechts", "anterior": "vorn", "posterior": "hinten", "head": "kopfwärts",
            "foot": "fußwärts",
        },
        side={"left": "linken", "right": "rechten"},
        relation={
            "left of": "links von", "right of": "rechts von", "above": "über", "below": "unter",
            "on earlier slices than": "auf Schichten vor", "on later slices than": "auf Schichten nach",
            "inside": "innerhalb von", "around": "ringsum außerhalb von", "touching": "in Berührung mit",
            "overlapping": "überlappend mit", "patient left of": "patientenlinks von",
            "patient right of": "patientenrechts von", "anterior to": "ventral von", "posterior to": "dorsal von",
            "headward of": "kranial von", "footward of": "kaudal von",
        },
        comma=",",
        last=" und ",
        patch="{} ({} %, {})",
        counted="{}: {}",
    ),
    openings={
        "whole": (
            "Der Bereich in {colour} zeigt {label}: {size} und {shape}, der Rand {border}, verglichen mit der Umgebung "
            "{contrast}, gelegen {place} in diesem {modality}-Bild.",
            "Gelegen {place} in diesem {modality}-Bild, zeigt der Bereich in {colour} {label}: {size} und {shape}, der "
            "Rand {border}, verglichen mit der Umgebung {contrast}.",
        ),
        "plain": (
            "Der Bereich in {colour} zeigt {label}: {size} und {shape}, gelegen {place} in diesem {modality}-Bild.",
            "In diesem {modality}-Bild liegt {place} der Bereich in {colour}; er zeigt {label}, {size} und {shape}.",
        ),
        "unnamed": (
            "Der Bereich in {colour} ist {size} und {shape} und liegt {place} in diesem {modality}-Bild.",
            "In diesem {modality}-Bild liegt {place} der Bereich in {colour}, {size} und {shape}.",
        ),
    },
    sentences={
        "border": ("Sein Rand ist {border}.", "Der Umriss ist {border}."),
        "contrast": (
            "Im Vergleich zur Umgebung ist er {contrast}.",
            "Gegenüber dem Ring um ihn herum ist er {contrast}.",
        ),
        "hounsfield": (
            "Der Mittelwert ist {mean_hu} HE, gegenüber {ring_hu} HE ringsum.",
            "Er misst im Mittel {mean_hu} HE; die Umgebung misst {ring_hu} HE.",
        ),
        "hounsfield alone": ("Der Mittelwert ist {mean_hu} HE.", "Er misst im Mittel {mean_hu} HE."),
        "colour": ("Seine mittlere Farbe ist {colour_name}.", "Im Mittel ist er {colour_name}."),
        "patches": ("Darin sind diese Farben: {colour_parts}.", "Er besteht aus diesen Farben: {colour_parts}."),
        "share": ("Er bedeckt {share} % des Bildes.", "Sein Anteil am Bild ist {share} %."),
        "area": (
            "Seine Fläche ist {area_mm2} mm², der Durchmesser einer gleich großen Scheibe {diameter_mm} mm.",
            "Er misst {area_mm2} mm², so viel wie eine Scheibe von {diameter_mm} mm.",
        ),
        "volume": (
            "Sein Volumen ist {volume_ml} ml, der Durchmesser einer gleich großen Kugel {diameter_mm} mm.",
            "Er misst {volume_ml} ml, so viel wie eine Kugel von {diameter_mm} mm.",
        ),
        "pixels": (
            "Der Durchmesser einer gleich großen Scheibe ist {diameter_px} Pixel.",
            "Er ist so groß wie eine Scheibe von {diameter_px} Pixeln.",
        ),
        "components": (
            "Er hat {components} getrennte Teile, der größte mit {largest} % davon.",
            "Von seinen {components} getrennten Teilen macht der größte {largest} % aus.",
        ),
        "slices": (
            "Er reicht von Schicht {first} bis {last} von {total}.",
            "Er liegt auf den Schichten {first} bis {last} von {total}.",
        ),
        "edge": ("Er reicht an den Bildrand.", "Der Bildrand schneidet oder berührt ihn."),
        "patient": (
            "Von der Bildmitte aus liegt er im Patienten {patient}.",
            "Im Patienten liegt er, von der Bildmitte gesehen, {patient}.",
        ),
        "laterality": (
            "Er liegt auf der {laterality} Seite des Patienten.",
            "Das ist die Seite zur {laterality} Hand des Patienten.",
        ),
        "relation": (
            "Er liegt {kinds} dem Bereich in {other}.",
            "Seine Lage ist {kinds} dem Bereich in {other}.",
        ),
    },
    scenes={
        "several": (
            "Dieses {modality}-Bild zeigt {count} Bereiche ({counts}), die {together} % davon bedecken.",
            "{count} Bereiche ({counts}) bedecken {together} % dieses {modality}-Bildes.",
        ),
        "described": (
            "Beschrieben sind die {described} größten Bereiche.",
            "Die {described} größten Bereiche sind beschrieben.",
        ),
        "none": ("In diesem {modality}-Bild ist kein Bereich.", "Dieses {modality}-Bild zeigt keinen Bereich."),
        "absent": (
            "In diesem {modality}-Bild ist kein Bereich von {label}.",
            "Dieses {modality}-Bild zeigt keinen Bereich von {label}.",
        ),
    },
)  # fmt: skip
