"""Questions as a QTI 2.1 package: a ZIP with one item a file and a manifest that lists them.

The form of an item is the standard's own for choices with feedback, in the one of its spellings that Canvas reads too:
FEEDBACK holds several identifiers, and each answer adds its own. Formulas stay text, `\\( … \\)`, which a learning
system with MathJax typesets; there is no MathML.
"""

from __future__ import annotations

import io
import re
import zipfile
from xml.sax.saxutils import escape, quoteattr

from quizzes import LICENCE, LICENCE_ADDRESS, Bank, Question, QuizError

ITEM = """\
<?xml version="1.0" encoding="UTF-8"?>
<assessmentItem xmlns="http://www.imsglobal.org/xsd/imsqti_v2p1"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
    xsi:schemaLocation="http://www.imsglobal.org/xsd/imsqti_v2p1 http://www.imsglobal.org/xsd/qti/qtiv2p1/imsqti_v2p1.xsd"
    identifier={identifier} title={title} adaptive="false" timeDependent="false" xml:lang="en">
  <responseDeclaration identifier="RESPONSE" cardinality="single" baseType="identifier">
    <correctResponse><value>{right}</value></correctResponse>
  </responseDeclaration>
  <outcomeDeclaration identifier="SCORE" cardinality="single" baseType="float" normalMaximum="1">
    <defaultValue><value>0</value></defaultValue>
  </outcomeDeclaration>
  <outcomeDeclaration identifier="FEEDBACK" cardinality="multiple" baseType="identifier"/>
  <itemBody>
    <div>{text}</div>
    <choiceInteraction responseIdentifier="RESPONSE" shuffle="true" maxChoices="1">
{choices}
    </choiceInteraction>
  </itemBody>
  <responseProcessing>
    <responseCondition>
{conditions}
    </responseCondition>
    <setOutcomeValue identifier="FEEDBACK"><multiple><variable identifier="FEEDBACK"/><baseValue \
baseType="identifier">general_source</baseValue></multiple></setOutcomeValue>
  </responseProcessing>
{feedback}
</assessmentItem>
"""
CHOICE = """\
      <simpleChoice identifier="{letter}">{text}</simpleChoice>"""
CONDITION = """\
      <{branch}>
        <match><variable identifier="RESPONSE"/><baseValue baseType="identifier">{letter}</baseValue></match>
        <setOutcomeValue identifier="SCORE"><baseValue baseType="float">{score}</baseValue></setOutcomeValue>
        <setOutcomeValue identifier="FEEDBACK"><multiple><variable identifier="FEEDBACK"/><baseValue \
baseType="identifier">{letter}</baseValue></multiple></setOutcomeValue>
      </{branch}>"""
FEEDBACK = """\
  <modalFeedback outcomeIdentifier="FEEDBACK" identifier="{identifier}" showHide="show">{text}</modalFeedback>"""

MANIFEST = """\
<?xml version="1.0" encoding="UTF-8"?>
<manifest xmlns="http://www.imsglobal.org/xsd/imscp_v1p1" xmlns:imsmd="http://ltsc.ieee.org/xsd/LOM"
    xmlns:imsqti="http://www.imsglobal.org/xsd/imsqti_metadata_v2p1" identifier="question-bank">
  <metadata>
    <schema>QTIv2.1 Package</schema>
    <schemaversion>1.0.0</schemaversion>
    <imsmd:lom>
      <imsmd:general><imsmd:title><imsmd:string language="en">{title}</imsmd:string></imsmd:title></imsmd:general>
      <imsmd:rights><imsmd:description><imsmd:string language="en">{rights}</imsmd:string></imsmd:description>\
</imsmd:rights>
    </imsmd:lom>
  </metadata>
  <organizations/>
  <resources>
{resources}
  </resources>
</manifest>
"""
RESOURCE = """\
    <resource identifier={identifier} type="imsqti_item_xmlv2p1" href={file}>
      <metadata>
        <imsmd:lom>
          <imsmd:general>
            <imsmd:title><imsmd:string language="en">{title}</imsmd:string></imsmd:title>
            <imsmd:keyword><imsmd:string language="en">{part}</imsmd:string></imsmd:keyword>
            <imsmd:keyword><imsmd:string language="en">{chapter}</imsmd:string></imsmd:keyword>
          </imsmd:general>
        </imsmd:lom>
        <imsqti:qtiMetadata>
          <imsqti:interactionType>choiceInteraction</imsqti:interactionType>
          <imsqti:feedbackType>nonadaptive</imsqti:feedbackType>
        </imsqti:qtiMetadata>
      </metadata>
      <file href={file}/>
    </resource>"""

# What an identifier may be, and how long if systems of version 1 are to take it.
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")


def identifier(question: Question) -> str:
    """Under which a learning system knows the question again."""
    name = f"{question.chapter}-q{question.number}"
    if not IDENTIFIER.fullmatch(name):
        raise QuizError(
            f"{question.chapter}.ipynb: the file name of a chapter with a quiz must begin with a letter and make "
            f"identifiers of at most 32 letters, digits, _ and -, found {name}"
        )
    return name


def to_item(question: Question, source: str) -> str:
    """The XML of one question; its choices are A, B, … as in the book."""
    options = list(zip("ABCDEFGHIJ", question.options, strict=False))
    feedback = [(letter, option.feedback) for letter, option in options] + [("general_source", source)]
    return ITEM.format(
        identifier=quoteattr(identifier(question)),
        title=quoteattr(question.name),
        right=next(letter for letter, option in options if option.right),
        text=question.text,
        choices="\n".join(CHOICE.format(letter=letter, text=escape(option.text)) for letter, option in options),
        conditions="\n".join(
            CONDITION.format(branch="responseElseIf" if k else "responseIf", letter=letter, score=int(option.right))
            for k, (letter, option) in enumerate(options)
        ),
        feedback="\n".join(FEEDBACK.format(identifier=name, text=text) for name, text in feedback),
    )


def to_manifest(bank: Bank) -> str:
    """What the package holds, whose it is, and from which chapter each item comes."""
    return MANIFEST.format(
        title=escape(bank.title),
        rights=escape(f"{bank.author}, {bank.address}, {LICENCE}, {LICENCE_ADDRESS}"),
        resources="\n".join(
            RESOURCE.format(
                identifier=quoteattr(f"item-{identifier(question)}"),
                file=quoteattr(_file(question)),
                title=escape(question.name),
                part=escape(question.part),
                chapter=escape(question.title),
            )
            for question in bank.questions
        ),
    )


def to_qti(bank: Bank) -> bytes:
    """The package. It depends on the questions only: dates are fixed, and nothing is compressed, since the bytes of a
    compressed file depend on the library that made it.
    """
    files = {"imsmanifest.xml": to_manifest(bank)}
    files |= {_file(question): to_item(question, bank.source(question)) for question in bank.questions}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as package:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # not that of the machine; with Unix come the rights that follow
            entry.external_attr = 0o644 << 16
            package.writestr(entry, text.encode())
    return packed.getvalue()


def _file(question: Question) -> str:
    return f"items/{identifier(question)}.xml"
