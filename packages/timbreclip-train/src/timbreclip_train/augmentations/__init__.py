"""Changes to training sounds, and what they do to the words for them.

``base`` says what an augmentation is, ``chain`` applies several, ``preparation`` is what the paper
does to every note, ``records`` lists what there is; each other module holds one augmentation.
"""
