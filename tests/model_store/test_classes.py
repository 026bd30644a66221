from model_store.classes import CLASSES, CODES, MALIGNANT_CODES, Group


def test_the_codes_are_the_official_columns_in_the_official_order():
    assert CODES == ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC")


def test_malignancy_counts_the_cancers_and_their_precursor():
    assert MALIGNANT_CODES == ("MEL", "BCC", "AK", "SCC")
    assert [c.code for c in CLASSES if c.group is Group.PRECURSOR] == ["AK"]


def test_every_class_has_a_code_that_tells_it_from_the_others():
    assert all(c.icd10 for c in CLASSES)
    assert len({(c.icd10, c.icdo3) for c in CLASSES}) == len(CLASSES)  # BCC and SCC share an ICD-10 code
